//! Every record of the source has a key.

use super::{Finding, Subject};
use crate::servers::whole_keys;

const NAME: &str = "source-keys";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(source) = &subject.servers.source else { return findings };
    for layout in subject.layouts.iter().flatten() {
        findings.push(match whole_keys(&**source, layout).await {
            Ok(()) => Finding::ok(NAME, format!("{}: none is null", layout.source().table)),
            Err(error) => Finding::error(NAME, &error),
        });
    }
    findings
}
