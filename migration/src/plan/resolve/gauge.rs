//! What is watched while a phase runs.

use super::{Engines, Result, invalid, name};
use crate::plan::raw::RawGauge;
use crate::plan::{Engine, GaugePlan, GaugeServer};

/// Most gauges: each is asked every second by every process.
const GAUGES_MAX: usize = 32;

pub(super) fn resolve(raw: Vec<RawGauge>, engines: &Engines<'_>) -> Result<Vec<GaugePlan>> {
    if raw.len() > GAUGES_MAX {
        return Err(invalid("gauge", format!("hold at most {GAUGES_MAX} tables"), raw.len()));
    }
    let mut gauges: Vec<GaugePlan> = Vec::with_capacity(raw.len());
    for (i, gauge) in raw.into_iter().enumerate() {
        let field = format!("gauge[{i}]");
        name(&format!("{field}.name"), &gauge.name, 64, |byte| {
            byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
        })?;
        if let Some(twin) = gauges.iter().position(|other| other.name == gauge.name) {
            let found = format!("{:?}, which names gauge[{twin}] too", gauge.name);
            return Err(invalid(format!("{field}.name"), "be unique", found));
        }
        // Not a number is not a bound either.
        if !(gauge.max >= 0.0 && gauge.max.is_finite()) {
            return Err(invalid(format!("{field}.max"), "be a number from 0 on", gauge.max));
        }
        let server = match engines.watched(&field, gauge.place())? {
            Engine::Postgres { url } => GaugeServer::Postgres { url },
            Engine::Mysql { url } => GaugeServer::Mysql { url },
            Engine::Sqlite { .. } => {
                return Err(invalid(format!("{field}.engine"), "be a server's", "sqlite"));
            }
        };
        gauges.push(GaugePlan {
            name: gauge.name,
            server,
            query: gauge.query.map(|query| query.trim().trim_end_matches(';').to_owned()),
            max: gauge.max,
        });
    }
    Ok(gauges)
}
