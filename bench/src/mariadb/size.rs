//! Whether a large table is copied as fast as a small one.

use super::start;
use crate::bed::Bed;
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::plan;
use crate::report::Report;
use crate::side::{Contest, Peer, Subject};

/// How many times as large.
const TIMES: u64 = 10;

/// The copy of a table ten times as large beside that of the usual one. Each has its own servers,
/// so that either is filled once.
pub(crate) fn size(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let rows = settings.server_rows();
    let small = Bed { source: start(1)?, target: start(2)?, rows };
    let large = Bed { source: start(3)?, target: start(4)?, rows: rows * TIMES };
    for table in settings.tables_or(&["narrow"])? {
        let (few, many) = (small.fill(table)?, large.fill(table)?);
        let ours = Midflight::new(&large, &many, settings, plan::FULL_SPEED)?;
        let peer = Midflight::named(format!("the same, {rows} records"), &small, &few, settings)?;
        let peers = [Peer::new(peer, Some(0.9))];
        for &durability in &settings.durabilities {
            small.set_durability(durability)?;
            large.set_durability(durability)?;
            let case = format!("backfill of {} records", large.rows);
            Contest {
                subject: Subject { case: &case, table: table.name, durability: Some(durability) },
                rows: large.rows,
                ours: &ours,
                peers: &peers,
                servers: [large.processes(), small.processes()].concat(),
            }
            .hold(settings.runs, report)?;
        }
    }
    Ok(())
}
