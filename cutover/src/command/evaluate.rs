//! `cutover evaluate`: where the reads of one key go, and why.

use crate::args::EvaluateArgs;
use crate::bucket::{BUCKETS, bucket, hash};
use crate::context::Context;
use crate::decide::{Reason, State, Store, decide};
use crate::whitelist::Whitelist;
use migration::cli::{Exit, Report, print};
use migration::error::Result;
use migration::plan::Bucketing;

pub(super) async fn run(context: &Context, args: &EvaluateArgs) -> Result<Exit> {
    let record = context.machine.current().await?.record;
    let rollback_file = context.rollback_file().exists().await?;
    let whitelist = Whitelist::new(&record.whitelist);
    let (flag, key) = (record.flag.as_bytes(), args.key.as_bytes());
    let stage = record.state();
    let state = State { rolled_back: stage.rolled_back || rollback_file, ..stage };
    let decision = decide(state, &whitelist, flag, key);
    let hash = hash(flag, key);
    let evaluation = Evaluation {
        flag: record.flag.clone(),
        key: args.key.clone(),
        bucketing: record.bucketing,
        hash,
        bucket: bucket(hash),
        basis_points: stage.basis_points,
        whitelisted: whitelist.contains(key),
        stage: record.stage.to_string(),
        generation: record.generation,
        rollback_file,
        store: decision.store,
        mirror: decision.mirror,
        reason: decision.reason,
    };
    print(&context.shared, &evaluation)?;
    Ok(Exit::Done)
}

/// What a reader decides that sees the stage as it is now.
#[derive(Debug, serde::Serialize)]
struct Evaluation {
    flag: String,
    key: String,
    bucketing: Bucketing,
    hash: u32,
    /// Of 10,000; the target answers those below `basis_points`.
    bucket: u32,
    basis_points: u16,
    whitelisted: bool,
    stage: String,
    generation: u32,
    rollback_file: bool,
    store: Store,
    mirror: bool,
    reason: Reason,
}

impl Evaluation {
    fn because(&self) -> String {
        let (bucket, share) = (self.bucket, self.basis_points);
        match self.reason {
            Reason::RolledBack => "the big red switch is thrown".to_owned(),
            Reason::Whitelist => "the key is on the whitelist".to_owned(),
            Reason::Share if self.store == Store::New => {
                format!("bucket {bucket} is below {share} of {BUCKETS}")
            }
            Reason::Share => format!("bucket {bucket} is not below {share} of {BUCKETS}"),
            Reason::Static | Reason::Stale | Reason::NeverLoaded => {
                format!("at stage {} every read goes there", self.stage)
            }
        }
    }
}

impl Report for Evaluation {
    fn text(&self) -> String {
        let store = match self.store {
            Store::Old => "old (source)",
            Store::New => "new (target)",
        };
        let mirrored = if self.mirror { ", mirrored on the other store" } else { "" };
        format!(
            "{store}{mirrored}: {}\n\
             stage {} (generation {}), flag {}, key {}\n\
             hash {} (murmur3_x86_32 of flag and key), bucket {} of {BUCKETS}",
            self.because(),
            self.stage,
            self.generation,
            self.flag,
            self.key,
            self.hash,
            self.bucket,
        )
    }
}
