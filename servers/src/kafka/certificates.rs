//! An authority of its own for each cluster, with certificates for brokers and a client.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{During, Result};
use crate::home::Home;

const LIMIT: Duration = Duration::from_secs(60);

/// Long enough for any run; the files go with the cluster.
const DAYS: &str = "30";

/// Makes `authority`, `broker`, `client` and `foreign` (an authority that signs nothing).
pub(super) fn make(home: &Home, folder: &Path) -> Result<()> {
    fs::create_dir(folder).during(|| format!("make {}", folder.display()))?;
    for authority in ["authority", "foreign"] {
        let name = format!("/CN=midflight test {authority}");
        let mut request = openssl(folder, authority, &name);
        request.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        home.run(&mut request, LIMIT)?;
    }
    for (owner, names) in
        [("broker", "IP:127.0.0.1,DNS:localhost"), ("client", "DNS:client.midflight")]
    {
        let mut request = openssl(folder, owner, &format!("/CN={owner}"));
        request
            .args(["-CA", "authority.pem", "-CAkey", "authority.key"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", &format!("subjectAltName={names}")]);
        home.run(&mut request, LIMIT)?;
    }
    // Kafka wants key and certificate in one file, in this order.
    let both: Result<String> = ["broker.key", "broker.pem"]
        .iter()
        .map(|name| folder.join(name))
        .map(|path| fs::read_to_string(&path).during(|| format!("read {}", path.display())))
        .collect();
    let path = folder.join("broker.both.pem");
    fs::write(&path, both?).during(|| format!("write {}", path.display()))
}

/// A new key (PKCS#8, unencrypted) and a certificate, signed by itself unless told otherwise.
fn openssl(folder: &Path, owner: &str, subject: &str) -> Command {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", DAYS, "-subj", subject])
        .args(["-keyout", &format!("{owner}.key"), "-out", &format!("{owner}.pem")]);
    command
}
