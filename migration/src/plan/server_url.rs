//! Where a server's URL stands, so that a plan can be shown, logged and compared without what is
//! secret in it.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// How to reach a server: an environment variable or a file that holds its URL, or a URL without a
/// password.
///
/// Nothing is looked up before the server is opened: a command that needs no server works where the
/// variable is not set.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Written);

#[derive(Clone, PartialEq, Eq)]
enum Written {
    Env(String),
    /// Its path is absolute. Machines keep the file in different directories, so that what makes
    /// two plans the same is what was written.
    File {
        written: String,
        path: PathBuf,
    },
    Plain(String),
}

/// A URL with what is secret in it. Never shown.
pub(crate) struct Secret(String);

impl Secret {
    #[cfg(feature = "kafka")]
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the driver and nobody else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl ServerUrl {
    /// Reads what a plan says. A file's path begins at `dir`.
    ///
    /// # Errors
    /// What was expected instead; it never repeats the text, which may hold a password.
    pub fn parse(text: &str, dir: &Path) -> std::result::Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = !name.is_empty() && !name.contains(['=', '\0', ' ']);
            return match is_name {
                true => Ok(Self(Written::Env(name.to_owned()))),
                false => Err("name the variable: \"env:NAME\""),
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return match path.is_empty() {
                false => Ok(Self(Written::File { written: path.to_owned(), path: dir.join(path) })),
                true => Err("name the file: \"file:PATH\""),
            };
        }
        let Some((_, rest)) = text.split_once("://") else {
            return Err("be \"env:NAME\", \"file:PATH\", or a URL without a password");
        };
        let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
        let is_secret = |setting: &str| setting.to_ascii_lowercase().starts_with("password");
        let has_password = place.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        if has_password || settings.split('&').any(is_secret) {
            return Err("keep the password out of the plan: \"env:NAME\" or \"file:PATH\"");
        }
        Ok(Self(Written::Plain(text.to_owned())))
    }

    /// Looks the URL up.
    pub(crate) fn reveal(&self) -> Result<Secret> {
        let problem = |problem: &str| {
            Error::new(ErrorKind::Plan, format!("find the server's URL: {problem}"))
                .with("url", self)
        };
        let text = match &self.0 {
            Written::Plain(url) => return Ok(Secret(url.clone())),
            Written::Env(name) => std::env::var(name).map_err(|cause| {
                problem("the environment variable cannot be read")
                    .hint(format!(
                        "set {name} to the URL, such as engine://user:password@host/database"
                    ))
                    .because(cause)
            })?,
            Written::File { path, .. } => std::fs::read_to_string(path).map_err(|cause| {
                problem("the file cannot be read")
                    .hint("put the URL into it, alone, readable for this user only")
                    .because(cause)
            })?,
        };
        match text.trim() {
            "" => Err(problem("there is nothing").hint("put the URL there")),
            url if ends_its_host_early(url) => {
                Err(problem("it has an @ behind what ends the host's name").hint(
                    "percent-encode what is no letter or digit in the password, and an @ anywhere \
                     else",
                ))
            }
            url => Ok(Secret(url.to_owned())),
        }
    }
}

/// Whether a driver would take a part of a password that was not encoded for the host or the
/// database, and show it: in `engine://user:pass/word@host/database` the first `/` ends the host.
fn ends_its_host_early(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once(['/', '?', '#']).is_some_and(|(_, behind)| behind.contains('@'))
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Env(name) => write!(f, "env:{name}"),
            Written::File { path, .. } => write!(f, "file:{}", path.display()),
            // Only where it is: a user's name and settings are nobody's business.
            Written::Plain(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let place = rest.split_once('?').map_or(rest, |(place, _)| place);
                f.write_str(place.rsplit_once('@').map_or(place, |(_, place)| place))
            }
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

impl serde::Serialize for ServerUrl {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match &self.0 {
            Written::File { written, .. } => {
                serializer.collect_str(&format_args!("file:{written}"))
            }
            Written::Env(_) | Written::Plain(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerUrl;
    use std::path::Path;

    fn parse(text: &str) -> Result<ServerUrl, &'static str> {
        ServerUrl::parse(text, Path::new("/plans"))
    }

    #[test]
    fn a_reference_is_shown_as_it_was_written_and_a_url_as_the_place_it_leads_to() {
        for (text, shown) in [
            ("env:DB_URL", "env:DB_URL"),
            ("file:/secret/db", "file:/secret/db"),
            ("postgres://app@db.example:5432/shop?sslmode=require", "db.example:5432/shop"),
            ("mysql://127.0.0.1/shop", "127.0.0.1/shop"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(serde_json::to_string(&url).unwrap(), format!("{shown:?}"));
            assert!(format!("{url:?}").contains(shown));
        }
    }

    #[test]
    fn a_file_is_shown_by_its_whole_path_and_compared_by_what_was_written() {
        let (here, there) = (parse("file:secret/db").unwrap(), Path::new("/elsewhere"));
        assert_eq!(here.to_string(), "file:/plans/secret/db");
        let there = ServerUrl::parse("file:secret/db", there).unwrap();
        for url in [&here, &there] {
            assert_eq!(serde_json::to_string(url).unwrap(), r#""file:secret/db""#);
        }
    }

    #[test]
    fn a_password_in_the_plan_is_refused_without_being_repeated() {
        for text in [
            "postgres://app:hunter2@db/shop",
            "postgres://app:hun@ter2@db/shop",
            "postgres://db/shop?sslmode=require&password=hunter2",
            "hunter2",
        ] {
            let problem = parse(text).unwrap_err();
            assert!(!problem.contains("hun"), "{problem}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_missed_only_when_it_is_needed() {
        let url = parse("env:MIDFLIGHT_TEST_NO_SUCH_VARIABLE").unwrap();
        let error = url.reveal().unwrap_err();
        assert!(error.to_string().contains("env:MIDFLIGHT_TEST_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn a_password_that_would_end_the_host_is_refused_without_being_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        let reveal = || ServerUrl::parse("file:url", folder.path()).unwrap().reveal();
        for password in ["hun/ter2", "h@un/ter2", "h@u/n?ter2", "h@u/n#ter2", "hun?t@er2"] {
            std::fs::write(&path, format!("mysql://app:{password}@db/shop")).unwrap();
            let error = format!("{:?}", reveal().unwrap_err());
            assert!(error.contains("percent-encode") && !error.contains("er2"), "{error}");
        }
        for password in ["hunter2", "hun@ter2", "hun%2Fter2"] {
            std::fs::write(&path, format!("mysql://app:{password}@db/shop?charset=utf8")).unwrap();
            assert!(reveal().is_ok(), "{password}");
        }
    }

    #[test]
    fn a_file_may_end_in_a_new_line_and_may_not_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), "postgres://a:b@c/d\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let url = |name: &str| ServerUrl::parse(&format!("file:{name}"), folder.path()).unwrap();
        let secret = url("url").reveal().unwrap();
        assert_eq!(secret.expose(), "postgres://a:b@c/d");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(url("empty").reveal().is_err());
        assert!(url("none").reveal().is_err());
    }
}
