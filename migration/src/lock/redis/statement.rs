//! What is said to Redis: the names of the keys, and the commands that change more than one.

use crate::key::Key;
use crate::lock::Token;
use redis::Pipeline;
use std::time::Duration;

/// Removes the locks of a holding that still are its own, and the holding.
///
/// `KEYS`: the holding, the set of all holdings. `ARGV`: the token, what its entities' names begin
/// with. A holding lists the rest of each name behind its length, as [`listed`] writes it.
const TAKE: &str = "local listed = redis.call('GET', KEYS[1])
local at = 1
while listed and at <= #listed do
    local entity, next = struct.unpack('>I4c0', listed, at)
    local name = ARGV[2] .. entity
    if redis.call('GET', name) == ARGV[1] then redis.call('DEL', name) end
    at = next
end
redis.call('SREM', KEYS[2], KEYS[1])
return redis.call('DEL', KEYS[1])";

/// Counts the holdings that have not run out, and forgets the others: nobody gave those back.
///
/// `KEYS`: the set of all holdings. A holding is there before it is in the set.
const COUNT: &str = "local live = 0
for _, holding in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', holding) == 1 then live = live + 1
    else redis.call('SREM', KEYS[1], holding) end
end
return live";

/// The names of a migration's keys. They lie in one slot of a cluster.
#[derive(Debug)]
pub(super) struct Names {
    /// `midflight:{migration}:`
    prefix: String,
    holdings: String,
}

impl Names {
    pub(super) fn of(migration: &str) -> Self {
        let prefix = format!("midflight:{{{migration}}}:");
        Self { holdings: format!("{prefix}holds"), prefix }
    }

    /// What the names of a table's entities begin with. No table has a zero in its name.
    fn entities(&self, table: &str) -> Vec<u8> {
        format!("{}key:{table}\0", self.prefix).into_bytes()
    }

    /// The lock of an entity.
    pub(super) fn entity(&self, table: &str, entity: &Key) -> Vec<u8> {
        let mut name = self.entities(table);
        name.extend_from_slice(entity.as_bytes());
        name
    }

    /// The entities that a token holds.
    pub(super) fn holding(&self, table: &str, token: Token) -> Vec<u8> {
        format!("{}hold:{table}\0{:032x}", self.prefix, token.0).into_bytes()
    }

    /// All holdings.
    pub(super) fn holdings(&self) -> &str {
        &self.holdings
    }

    /// Table and token of a holding, by its name; `None` for a name of something else.
    fn parts<'a>(&self, holding: &'a [u8]) -> Option<(&'a str, Token)> {
        let name = std::str::from_utf8(holding).ok()?;
        let (table, token) =
            name.strip_prefix(&self.prefix)?.strip_prefix("hold:")?.split_once('\0')?;
        Some((table, Token(u128::from_str_radix(token, 16).ok()?)))
    }

    /// The token of a holding, by its name.
    pub(super) fn token_of(&self, holding: &[u8]) -> Option<Token> {
        self.parts(holding).map(|(_, token)| token)
    }
}

/// Keeps what is about to be held.
pub(super) fn hold(
    commands: &mut Pipeline,
    names: &Names,
    (holding, entities): (&[u8], &[Key]),
    lease: Duration,
) {
    commands.cmd("SET").arg(holding).arg(listed(entities)).arg("PX").arg(millis(lease)).ignore();
    commands.cmd("SADD").arg(names.holdings()).arg(holding).ignore();
}

/// Locks one entity, if nobody holds it.
pub(super) fn lock(commands: &mut Pipeline, entity: &[u8], token: Token, lease: Duration) {
    let value = &token.0.to_be_bytes()[..];
    commands.cmd("SET").arg(entity).arg(value).arg("NX").arg("PX").arg(millis(lease));
}

/// Counts what is held.
pub(super) fn count(commands: &mut Pipeline, names: &Names) {
    commands.cmd("EVAL").arg(COUNT).arg(1).arg(names.holdings());
}

/// Takes back what a token holds, and nothing that somebody else holds by now.
pub(super) fn take(commands: &mut Pipeline, names: &Names, holding: &[u8], token: Token) {
    let table = names.parts(holding).map_or("", |(table, _)| table);
    commands
        .cmd("EVAL")
        .arg(TAKE)
        .arg(2)
        .arg(holding)
        .arg(names.holdings())
        .arg(&token.0.to_be_bytes()[..])
        .arg(names.entities(table));
}

/// Entities, each behind its length.
fn listed(entities: &[Key]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entities.iter().map(|key| key.as_bytes().len() + 4).sum());
    for entity in entities {
        let bytes = entity.as_bytes();
        // A key has a bound far below this.
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// A lease as Redis counts it: there is none of no time.
fn millis(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1)
}
