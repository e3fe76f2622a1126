//! Brokers that encrypt, and that ask who is there.

use super::broker::{config, create_topic, open, plan};
use migration::error::{Chain, ErrorKind};
use migration::plan::{KafkaPlan, SaslMechanism, SaslPlan, SecretPlace, TlsPlan};
use servers::{Kafka, Listener, kafka};
use std::path::Path;
use std::time::{Duration, Instant};

fn with_password(
    kafka: &Kafka,
    listener: Listener,
    password: &str,
    mechanism: SaslMechanism,
) -> (KafkaPlan, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), format!("{password}\n")).unwrap();
    let password = SecretPlace::parse("file:password", folder.path()).unwrap();
    let sasl = SaslPlan { mechanism, user: servers::USER.to_owned(), password };
    let tls = TlsPlan { authority: Some(kafka.authority()), ..TlsPlan::default() };
    let plan = KafkaPlan {
        sasl: Some(sasl),
        tls: (listener == Listener::SaslTls).then_some(tls),
        ..plan(kafka.bootstrap(listener), "t")
    };
    (plan, folder)
}

#[tokio::test]
async fn a_plan_with_the_right_login_is_let_in_and_a_wrong_one_is_refused_at_once() {
    let kafka = kafka().listener(Listener::Sasl).listener(Listener::SaslTls).start().unwrap();
    create_topic(kafka.bootstrap(Listener::Plain), "t", 1).await;
    for listener in [Listener::Sasl, Listener::SaslTls] {
        for mechanism in
            [SaslMechanism::ScramSha256, SaslMechanism::ScramSha512, SaslMechanism::Plain]
        {
            let (plan, _folder) = with_password(&kafka, listener, servers::PASSWORD, mechanism);
            let queue = open(&plan, 1).await.unwrap();
            queue.end("t-0").await.unwrap();
        }
    }
    let (wrong, _folder) =
        with_password(&kafka, Listener::Sasl, "hunter2", SaslMechanism::ScramSha256);
    let began = Instant::now();
    let error = open(&wrong, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(9), "it was tried again");
    let (said, hint) = (Chain(&error).to_string(), error.next_step().unwrap());
    assert!(!said.contains("hunter2") && hint.contains("[queue.sasl]"), "{error:?}");

    let (mut foreign, _folder) =
        with_password(&kafka, Listener::SaslTls, servers::PASSWORD, SaslMechanism::Plain);
    let authority = Some(kafka.foreign_authority());
    foreign.tls = Some(TlsPlan { authority, ..TlsPlan::default() });
    let error = open(&foreign, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().unwrap().contains("[queue.tls]"), "{error:?}");
    // Of a plain client the broker says nothing: it only hangs up.
    let error = open(&plan(kafka.bootstrap(Listener::SaslTls), "t"), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    drop(config(""));
}

#[tokio::test]
async fn what_a_plan_refers_to_and_is_not_there_is_named() {
    let place = SecretPlace::parse("env:MIDFLIGHT_TEST_NO_SUCH_VARIABLE", Path::new("/")).unwrap();
    let sasl =
        SaslPlan { mechanism: SaslMechanism::ScramSha256, user: "u".to_owned(), password: place };
    let error = open(&KafkaPlan { sasl: Some(sasl), ..plan("127.0.0.1:1", "t") }, 1).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().contains("MIDFLIGHT_TEST_NO_SUCH_VARIABLE"), "{error}");
    let tls = TlsPlan { authority: Some("/no/such/ca.pem".into()), ..TlsPlan::default() };
    let error = open(&KafkaPlan { tls: Some(tls), ..plan("127.0.0.1:1", "t") }, 1).await;
    assert!(error.unwrap_err().to_string().contains("/no/such/ca.pem"));
}
