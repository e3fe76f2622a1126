//! How Redis is reached.

use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use redis::Client;

/// A client that is not connected yet, and the server as people see it.
pub(super) fn client(url: &ServerUrl) -> Result<(Client, String)> {
    let refused = |problem: &str| {
        Error::new(ErrorKind::Plan, format!("read the lock's URL: {problem}"))
            .with("url", url)
            .hint("write redis://user:password@host:port/0, or rediss:// for TLS; what is no letter or digit in a password is percent-encoded")
    };
    let secret = url.reveal()?;
    let text = secret.expose();
    if !(text.starts_with("redis://") || text.starts_with("rediss://")) {
        return Err(refused("it does not begin with redis:// or rediss://"));
    }
    // The cause could repeat a part of the password.
    let client = Client::open(text).map_err(|_| refused("it is not a URL of Redis"))?;
    let info = client.get_connection_info();
    let address = format!("{}/{}", info.addr(), info.redis_settings().db());
    Ok((client, address))
}

#[cfg(test)]
mod tests {
    use super::client;
    use crate::plan::ServerUrl;

    fn in_file(url: &str) -> ServerUrl {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("url"), url).unwrap();
        ServerUrl::parse("file:url", &folder).unwrap()
    }

    #[test]
    fn a_server_is_called_by_its_place_and_never_by_its_password() {
        for (url, address) in [
            ("redis://app:hun%2Fter2@locks.example:6380/3", "locks.example:6380/3"),
            ("rediss://:hunter2@locks.example", "locks.example:6379/0"),
        ] {
            let (_, found) = client(&in_file(url)).unwrap();
            assert_eq!(found, address);
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for url in [
            "postgres://app:hunter2@db/shop",
            "redis://app:1/hunter2@locks/0",
            "hunter2",
            "redis://",
        ] {
            let error = format!("{:?}", client(&in_file(url)).unwrap_err());
            assert!(!error.contains("ter2") && error.contains("hint"), "{error}");
        }
    }
}
