//! Where a secret stands: in an environment variable or a file, never in the plan.

#[cfg(feature = "kafka")]
use super::server_url::Secret;
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// An environment variable or a file that holds a secret, or the name of this process.
///
/// Looked up only when it is needed: a command that needs no server works where it is not set.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretPlace(Written);

#[derive(Clone, PartialEq, Eq)]
enum Written {
    Env(String),
    /// Its path is absolute.
    File(PathBuf),
}

impl SecretPlace {
    /// Reads what a plan says. A file's path begins at `dir`.
    ///
    /// # Errors
    /// What was expected instead; it never repeats the text, which may be the secret itself.
    pub fn parse(text: &str, dir: &Path) -> std::result::Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = !name.is_empty() && !name.contains(['=', '\0', ' ']);
            return match is_name {
                true => Ok(Self(Written::Env(name.to_owned()))),
                false => Err("name the variable: \"env:NAME\""),
            };
        }
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self(Written::File(dir.join(path)))),
            Some(_) => Err("name the file: \"file:PATH\""),
            None => Err("say where it stands, \"env:NAME\" or \"file:PATH\", and not what it is"),
        }
    }

    /// Looks the secret up.
    #[cfg(feature = "kafka")]
    pub(crate) fn reveal(&self) -> Result<Secret> {
        self.read().map(Secret::new)
    }

    /// Looks up what is no secret.
    ///
    /// # Errors
    /// `Plan` if it is not there, or empty.
    pub fn read(&self) -> Result<String> {
        let problem = |problem: &str| {
            Error::new(ErrorKind::Plan, format!("look up what the plan refers to: {problem}"))
                .with("place", self)
        };
        let text = match &self.0 {
            Written::Env(name) => std::env::var(name).map_err(|cause| {
                problem("the environment variable cannot be read")
                    .hint(format!("set {name}"))
                    .because(cause)
            })?,
            Written::File(path) => std::fs::read_to_string(path).map_err(|cause| {
                problem("the file cannot be read")
                    .hint("put it there, alone, readable for this user only")
                    .because(cause)
            })?,
        };
        match text.trim() {
            "" => Err(problem("there is nothing").hint("put it there")),
            text => Ok(text.to_owned()),
        }
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Env(name) => write!(f, "env:{name}"),
            Written::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretPlace({self})")
    }
}

impl serde::Serialize for SecretPlace {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
