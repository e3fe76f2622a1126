//! The marks of several migrations on one outbox: what may be trimmed.

use super::{KINDS, Kind, Reader, Source};
use migration::error::ErrorKind;
use migration::plan::ServerUrl;
use migration::queue::{OutboxQueue, Queue as _, mysql_outbox_ddl, postgres_outbox_ddl};

#[tokio::test]
async fn a_migration_trims_only_what_no_other_one_needs() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let url = source.database.url();
        let one = source.open_at(&url, "m1").await.unwrap();
        let two = source.open_at(&url, "m2").await.unwrap();
        let mut session = source.session().await;
        session.commit("a").await;
        let early = one.end("outbox").await.unwrap();
        two.register("outbox", &early).await.unwrap();
        session.commit("b").await;
        session.commit("c").await;
        let late = one.end("outbox").await.unwrap();
        two.register("outbox", &late).await.unwrap();
        let error = one.trim("outbox", &late).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.to_string().contains("m2"), "{error:?}");
        assert_eq!(Reader::at(&two, &early).await.read(2).await, ["b", "c"], "nothing was removed");

        two.trim("outbox", &late).await.unwrap();
        one.trim("outbox", &late).await.unwrap();
        session.commit("d").await;
        let later = one.end("outbox").await.unwrap();
        one.trim("outbox", &later).await.unwrap_err();
        two.remove_side_tables().await.unwrap();
        assert_eq!(one.trim("outbox", &later).await.unwrap(), 1);
        // The last one takes the table with it.
        assert_eq!(one.side_tables().await.unwrap()[0].rows, 1);
        one.remove_side_tables().await.unwrap();
        one.remove_side_tables().await.unwrap();
        assert!(one.side_tables().await.unwrap().is_empty());
        let error = session.try_run("SELECT 1 FROM midflight_outbox_mark").await.unwrap_err();
        assert!(error.to_string().contains("midflight_outbox_mark"), "{error}");
    }
}

#[tokio::test]
async fn many_that_register_at_once_all_leave_their_mark() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut queues = Vec::new();
        for n in 0..6 {
            queues.push(source.open_at(&source.database.url(), &format!("m{n}")).await.unwrap());
        }
        let start = queues[0].end("outbox").await.unwrap();
        let registering = queues.iter().map(|queue| queue.register("outbox", &start));
        for registered in futures::future::join_all(registering).await {
            registered.unwrap();
        }
        for queue in &queues {
            assert_eq!(queue.side_tables().await.unwrap()[0].rows, 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn the_marks_of_an_older_epoch_do_not_bind_a_newer_one() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut session = source.session().await;
        for payload in ["a", "b", "c"] {
            session.commit(payload).await;
        }
        let queue = source.open().await.unwrap();
        let position = queue.end("outbox").await.unwrap();
        queue.trim("outbox", &position).await.unwrap();
        session.run("DROP TABLE outbox").await;
        session
            .run(&match kind {
                Kind::Mysql => mysql_outbox_ddl("outbox"),
                Kind::Postgres => postgres_outbox_ddl("outbox"),
            })
            .await;
        let url = ServerUrl::parse("file:url", source.folder.path()).unwrap();
        let queue = match kind {
            Kind::Mysql => OutboxQueue::mysql(&url, "outbox", "m1", 2).await.unwrap(),
            Kind::Postgres => OutboxQueue::postgres(&url, "outbox", "m1", 2).await.unwrap(),
        };
        let start = queue.end("outbox").await.unwrap();
        queue.register("outbox", &start).await.unwrap();
        session.commit("new").await;
        assert_eq!(Reader::at(&queue, &start).await.read(1).await, ["new"], "{kind:?}");
        let error = source.open().await.unwrap().trim("outbox", &position).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    }
}
