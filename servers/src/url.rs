//! The URLs that this crate hands out, taken apart again for programs that want the parts.

use crate::error::{Error, Result};

/// The parts of `scheme://user:password@host:port/database`.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) database: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let parts = || {
            let (_, rest) = url.split_once("://")?;
            let (login, place) = rest.rsplit_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (address, database) = place.split_once('/')?;
            let (host, port) = address.split_once(':')?;
            Some([user, password, host, port, database].map(str::to_owned))
        };
        // The URL holds a password, so it is not repeated here.
        let form = "a server's URL has the form SCHEME://USER:PASSWORD@HOST:PORT/DATABASE";
        let [user, password, host, port, database] =
            parts().ok_or_else(|| Error::Request(form.into()))?;
        Ok(Self { user, password, host, port, database })
    }
}
