//! From PostgreSQL to two MariaDB databases: the real programs, an application of several sessions
//! whose transactions overlap, kills, and the clean-up.

use faults::{Engine, Flight, Place};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_carried_from_postgresql_to_mariadb_and_nothing_is_left_behind() {
    let checkpoint = Place::shared(Engine::Postgres, "checkpoint");
    let flight = Flight::shared(Engine::Postgres, Engine::MariaDb, &checkpoint, 91).await;
    let live = flight.is_carried_under_kills().await;
    flight.leaves_nothing_behind(live).await;
}
