//! Copies between two servers: every table and promise, ours beside the peers of the case.

use crate::bed::{Bed, Filled, Store};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::plan;
use crate::report::Report;
use crate::side::{Contest, Peer, Subject};

/// What makes the peers that were asked for, once the source's table is filled.
pub(crate) type Peers<S, T> =
    for<'a> fn(&Settings, &'a Bed<S, T>, &'a Filled<'a>) -> Result<Vec<Peer<'a>>, Failure>;

/// Measures a case. A table is filled once, and what its peers load is made once.
pub(crate) fn measure<S: Store, T: Store>(
    settings: &Settings,
    report: &mut Report,
    case: &str,
    bed: &Bed<S, T>,
    peers: Peers<S, T>,
) -> Result<(), Failure> {
    for table in settings.tables_or(&["narrow", "wide"])? {
        let filled = bed.fill(table)?;
        let peers = peers(settings, bed, &filled)?;
        let ours = Midflight::new(bed, &filled, settings, plan::FULL_SPEED)?;
        for &durability in &settings.durabilities {
            bed.set_durability(durability)?;
            Contest {
                subject: Subject { case, table: table.name, durability: Some(durability) },
                rows: bed.rows,
                ours: &ours,
                peers: &peers,
                servers: bed.processes(),
            }
            .hold(settings.runs, report)?;
        }
    }
    Ok(())
}
