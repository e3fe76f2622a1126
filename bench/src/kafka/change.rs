//! The stream of changes, the same in every run.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{HashMap, VecDeque};

/// Seed of everything that is drawn.
const SEED: u64 = 20_261_121;

/// How many messages later a message comes a second time, or for the first time if it is late.
const LATER: usize = 40;

/// In a hundred: updates, then inserts, then deletes.
const UPDATES: u32 = 60;
const INSERTS: u32 = 35;

/// In a hundred.
const DUPLICATES: u32 = 10;
const LATE: u32 = 1;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) key: String,
    pub(super) value: String,
}

/// What the table holds when all is applied in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) messages: u64,
    pub(crate) records: u64,
    /// The sum of all amounts.
    pub(crate) amount: i64,
}

/// Draws `count` messages over `rows` records, hands them to `send` in the order in which they are
/// sent, and says what they come to.
pub(super) fn each<E>(
    count: u64,
    rows: u64,
    mut send: impl FnMut(&Message) -> Result<(), E>,
) -> Result<End, E> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut amounts: HashMap<u64, i64> = HashMap::new();
    let mut later: VecDeque<(u64, Message)> = VecDeque::new();
    let (mut sent, mut made) = (0, 0);
    while sent < count {
        if let Some((_, message)) = later.pop_front_if(|(due, _)| *due <= sent) {
            send(&message)?;
            sent += 1;
            continue;
        }
        // What is held back has to fit in at the end too.
        if u64::try_from(later.len()).unwrap_or(u64::MAX) >= count - sent {
            let Some((_, message)) = later.pop_front() else { break };
            send(&message)?;
            sent += 1;
            continue;
        }
        made += 1;
        let message = change(&mut random, made, rows, &mut amounts);
        let due = sent + LATER as u64;
        let chance = random.random_range(0..100);
        if chance < LATE {
            later.push_back((due, message));
            continue;
        }
        send(&message)?;
        sent += 1;
        if chance < LATE + DUPLICATES {
            later.push_back((due, message));
        }
    }
    let records = u64::try_from(amounts.len()).unwrap_or(u64::MAX);
    Ok(End { messages: sent, records, amount: amounts.values().sum() })
}

/// The next change that is committed.
fn change(random: &mut StdRng, made: u64, rows: u64, amounts: &mut HashMap<u64, i64>) -> Message {
    let kind = random.random_range(0..100);
    let skewed = random.random::<f64>().powi(3);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a row count"
    )]
    let drawn = (skewed * rows as f64) as u64;
    let id = if (UPDATES..UPDATES + INSERTS).contains(&kind) { rows + made } else { drawn };
    let amount: i64 = random.random_range(0..1_000_000);
    let row = |amount: i64| {
        format!(
            r#"{{"id":{id},"owner":{},"amount":{amount},"label":"label-{}"}}"#,
            id * 7_919 % 1_000_003,
            id % 100_003
        )
    };
    let is_delete = kind >= UPDATES + INSERTS;
    let before = if is_delete { amounts.remove(&id) } else { amounts.insert(id, amount) };
    let after = if is_delete { "null".to_owned() } else { row(amount) };
    let op = match (is_delete, before) {
        (true, _) => "d",
        (false, None) => "c",
        (false, Some(_)) => "u",
    };
    // A delete of what is not there is not logged; here it stands for one, with what it took.
    let before = match (is_delete, before) {
        (_, Some(amount)) => row(amount),
        (true, None) => row(0),
        (false, None) => "null".to_owned(),
    };
    Message { id, key: format!(r#"{{"id":{id}}}"#), value: envelope(&before, &after, op, made) }
}

/// As `io.debezium.connector.mariadb` sends it, without schema.
fn envelope(before: &str, after: &str, op: &str, made: u64) -> String {
    let millis = 1_795_222_000_000 + made / 10;
    let (file, position) = (1 + made / 1_000_000, 400 + made % 1_000_000 * 500);
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"version":"3.5.0.Final","connector":"mariadb","name":"bench","ts_ms":{millis},"snapshot":"false","db":"bench","sequence":null,"ts_us":{millis}000,"ts_ns":{millis}000000,"table":"narrow","server_id":1,"gtid":"0-1-{made}","file":"binlog.{file:06}","pos":{position},"row":0,"thread":7,"query":null}},"transaction":null,"op":"{op}","ts_ms":{millis},"ts_us":{millis}123,"ts_ns":{millis}123456}}"#
    )
}
