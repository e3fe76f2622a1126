//! Makes a broker's log directory without starting a virtual machine for it.
//!
//! Kafka's own tool is run once; the only part of its work that is not two numbers, the first
//! snapshot with the accounts, is the same for every cluster, and is kept in the cache.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{During, Result};
use crate::home::Home;
use crate::jvm::Jvm;
use crate::packages::cache_folder;
use crate::{PASSWORD, USER, lock};

const TOOL_LIMIT: Duration = Duration::from_secs(120);

const SNAPSHOT: &str = "bootstrap.checkpoint";

/// The first snapshot of a cluster, as Kafka's own tool makes it. `release` names the jars.
pub(super) fn snapshot(jvm: &Jvm, home: &Home, release: &str) -> Result<Vec<u8>> {
    let cache = cache_folder()?;
    let kept = cache.join(format!("{release}.checkpoint"));
    let _lock = lock::take(&cache.join(format!("{release}.checkpoint.lock")), TOOL_LIMIT)?;
    if !kept.is_file() {
        let data = home.path.join("formatted");
        let config = home.path.join("format.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\nlog.dirs={}\n\
             controller.quorum.voters=1@127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n",
            data.display()
        );
        fs::write(&config, text).during(|| format!("write {}", config.display()))?;
        let mut format = jvm.tool(&home.path, "kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", &random_id()?, "--config"]).arg(config);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let account = format!("{mechanism}=[name={USER},password={PASSWORD}]");
            format.args(["--add-scram", &account]);
        }
        home.run(&mut format, TOOL_LIMIT)?;
        let unfinished = cache.join(format!("{release}.checkpoint.unfinished"));
        let copying = || format!("copy {SNAPSHOT} to {}", unfinished.display());
        fs::copy(data.join(SNAPSHOT), &unfinished).during(copying)?;
        fs::rename(&unfinished, &kept).during(|| format!("make {}", kept.display()))?;
    }
    fs::read(&kept).during(|| format!("read {}", kept.display()))
}

/// Makes the log directory of one broker.
pub(super) fn format(data: &Path, node: usize, cluster: &str, snapshot: &[u8]) -> Result<()> {
    let making = || format!("make {}", data.display());
    fs::create_dir(data).during(making)?;
    fs::write(data.join(SNAPSHOT), snapshot).during(making)?;
    let directory = random_id()?;
    let text =
        format!("version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={directory}\n");
    fs::write(data.join("meta.properties"), text).during(making)
}

/// Sixteen random bytes in base64url, as Kafka names clusters and directories.
pub(super) fn random_id() -> Result<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = [0; 20];
    let reading = || "read /dev/urandom".to_owned();
    let mut file = fs::File::open("/dev/urandom").during(reading)?;
    std::io::Read::read_exact(&mut file, &mut random).during(reading)?;
    let digits = random.iter().map(|byte| char::from(DIGITS[usize::from(byte % 64)]));
    // The first is fixed because a dash would be an option and low numbers are reserved; the last
    // holds two bits only.
    Ok(std::iter::once('M').chain(digits).chain(std::iter::once('A')).collect())
}
