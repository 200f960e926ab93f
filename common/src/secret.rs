//! Passwords and tokens: the value that never prints, the reference that may be stored, and how one becomes the other.
//!
//! Nothing here may format, log or serialise a secret's value. Where a value is needed, [`Secret::expose`] says so.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// No password or token is longer; a bigger file is the wrong file, and is not read into memory.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A password or token. Neither `Debug` nor `Display` shows it; its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value out of sight.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that hands it to a database or a store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // without it the compiler may leave out a write that nobody reads
        std::hint::black_box(&bytes);
    }
}

/// Where a secret is to be found: what a stored task holds in its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// `${env:NAME}`: an environment variable of the worker.
    Env(String),
    /// `${file:/PATH}`: a file on the worker; one line end at its end is not part of the secret.
    File(PathBuf),
    /// `${memory:NAME}`: held by this process alone; only `tdferry run` makes these.
    Memory(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::File(path) => write!(f, "${{file:{}}}", path.display()),
            Self::Memory(name) => write!(f, "${{memory:{name}}}"),
        }
    }
}

/// A text that looks like a reference to a secret and is none. It never holds the text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write `${{env:NAME}}` or `${{file:/PATH}}`")]
pub struct BadSecretRef(&'static str);

impl FromStr for SecretRef {
    type Err = BadSecretRef;

    fn from_str(text: &str) -> Result<Self, BadSecretRef> {
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let (kind, name) = inner
            .and_then(|inner| inner.split_once(':'))
            .ok_or(BadSecretRef("not a reference to a secret"))?;
        match kind {
            "env" if is_name(name) => Ok(Self::Env(name.to_owned())),
            "memory" if is_name(name) => Ok(Self::Memory(name.to_owned())),
            "env" | "memory" => Err(BadSecretRef("the name in the reference is not a name")),
            "file" if is_file(name) => Ok(Self::File(PathBuf::from(name))),
            "file" => Err(BadSecretRef("the file in the reference must be an absolute path without braces")),
            _ => Err(BadSecretRef("the reference is of an unknown kind")),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A worker reads the file in a working directory that the author of the task does not know, hence absolute.
fn is_file(path: &str) -> bool {
    Path::new(path).is_absolute() && !path.contains(['{', '}']) && !path.chars().any(char::is_control)
}

/// A secret as a user may write it: in the clear, or by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// Written out; must not be stored.
    Clear(Secret),
    /// Named; may be stored.
    Ref(SecretRef),
}

impl SecretValue {
    /// Whether the value itself is here, so that it must not be stored.
    pub fn is_clear(&self) -> bool {
        matches!(self, Self::Clear(_))
    }

    /// The reference as text, or `***`.
    pub fn masked(&self) -> String {
        match self {
            Self::Clear(secret) => secret.to_string(),
            Self::Ref(reference) => reference.to_string(),
        }
    }
}

/// Why a reference gave no secret. Each names the reference and what to do; none shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The environment variable or the name in memory does not exist here.
    #[error("{reference} is not set in this process; {help}")]
    Missing {
        /// What was asked for.
        reference: SecretRef,
        /// What to do.
        help: &'static str,
    },
    /// The file cannot be read, or is no secret.
    #[error("{reference} cannot be read: {reason}; check the file on the machine this worker runs on")]
    Unreadable {
        /// What was asked for.
        reference: SecretRef,
        /// What the system said.
        reason: String,
    },
}

type EnvLookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Turns references into secrets, on the machine that needs them.
#[derive(Clone)]
pub struct Secrets {
    env: EnvLookup,
    memory: BTreeMap<String, Secret>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("memory", &self.memory.keys()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads this process's environment and this machine's files.
    pub fn from_process() -> Self {
        Self::with_env(|name| std::env::var(name).ok())
    }

    /// As [`Self::from_process`] with another environment: for tests and simulation.
    pub fn with_env(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { env: Arc::new(env), memory: BTreeMap::new() }
    }

    /// Keeps secrets under the names that `${memory:NAME}` will ask for.
    #[must_use]
    pub fn with_memory(mut self, memory: BTreeMap<String, Secret>) -> Self {
        self.memory.extend(memory);
        self
    }

    /// The secret behind a value: itself, or what its reference names.
    pub fn resolve(&self, value: &SecretValue) -> Result<Secret, SecretError> {
        match value {
            SecretValue::Clear(secret) => Ok(secret.clone()),
            SecretValue::Ref(reference) => self.look_up(reference),
        }
    }

    fn look_up(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let missing = |help| SecretError::Missing { reference: reference.clone(), help };
        match reference {
            SecretRef::Env(name) => (self.env)(name)
                .map(Secret)
                .ok_or_else(|| missing("set it for the worker and start it again")),
            SecretRef::Memory(name) => self
                .memory
                .get(name)
                .cloned()
                .ok_or_else(|| missing("start `tdferry run` again with the same DSNs")),
            SecretRef::File(path) => read_secret(path)
                .map_err(|reason| SecretError::Unreadable { reference: reference.clone(), reason }),
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let file = std::fs::File::open(path).map_err(|err| err.to_string())?;
    let mut text = String::new();
    file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text).map_err(|err| err.to_string())?;
    let mut secret = Secret(text);
    if u64::try_from(secret.0.len()).is_ok_and(|len| len > MAX_SECRET_BYTES) {
        return Err(format!("it is longer than {MAX_SECRET_BYTES} bytes"));
    }
    let kept = secret.0.strip_suffix('\n').map_or(secret.0.len(), |line| line.trim_end_matches('\r').len());
    secret.0.truncate(kept);
    if secret.0.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::with_env(|name| (name == "SRC_PW").then(|| "from env".to_owned()))
            .with_memory(BTreeMap::from([("a.from".to_owned(), Secret::new("from memory"))]))
    }

    fn resolve(text: &str) -> Result<Secret, SecretError> {
        secrets().resolve(&SecretValue::Ref(text.parse().unwrap()))
    }

    #[test]
    fn no_formatting_shows_a_secret() {
        let shown = [
            format!("{:?} {:#?} {}", Secret::new("hunter2"), Secret::new("hunter2"), Secret::new("hunter2")),
            format!("{:?}", SecretValue::Clear(Secret::new("hunter2"))),
            SecretValue::Clear(Secret::new("hunter2")).masked(),
            format!(
                "{:?}",
                Secrets::from_process().with_memory([("n".into(), Secret::new("hunter2"))].into())
            ),
        ];
        assert!(shown.iter().all(|text| !text.contains("hunter2")), "{shown:?}");
    }

    #[test]
    fn references_print_as_they_were_written() {
        for text in ["${env:SRC_PW}", "${file:/run/secrets/a b}", "${memory:t.from}"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_reference_is_refused_without_showing_it() {
        for text in
            ["hunter2", "${hunter2}", "${vault:hunter2}", "${env:hunter2 }", "${file:hunter2}", "${env:}"]
        {
            let err = text.parse::<SecretRef>().unwrap_err().to_string();
            assert!(!err.contains("hunter2") && err.contains("${env:NAME}"), "{text}: {err}");
        }
    }

    #[test]
    fn each_kind_of_reference_finds_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (written, wanted) in [("abc\n", "abc"), ("abc\r\n", "abc"), ("a b ", "a b "), ("a\n\n", "a\n")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(resolve(&format!("${{file:{}}}", path.display())).unwrap().expose(), wanted);
        }
        assert_eq!(resolve("${env:SRC_PW}").unwrap().expose(), "from env");
        assert_eq!(resolve("${memory:a.from}").unwrap().expose(), "from memory");
    }

    #[test]
    fn a_missing_secret_names_its_reference_and_what_to_do() {
        for text in ["${env:NOT_SET}", "${memory:b}", "${file:/no/such/file}"] {
            let err = resolve(text).unwrap_err().to_string();
            assert!(err.contains(text) && err.contains("; "), "{err}");
        }
    }

    #[test]
    fn an_empty_or_huge_file_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in [("empty", 0), ("huge", 64 * 1024 + 1)] {
            let path = dir.path().join(name);
            std::fs::write(&path, "x".repeat(len)).unwrap();
            assert!(resolve(&format!("${{file:{}}}", path.display())).is_err(), "{name}");
        }
    }
}
