//! Setting up logs: to stderr as text, or as one JSON object a line with `LOG_FORMAT=json`.
//!
//! Levels: error = a person is needed, warn = tried again, info = the life of tasks and leases, debug = batches.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Shown unless `RUST_LOG` says otherwise: our own life cycle, and only trouble from others.
pub const DEFAULT_FILTER: &str = "warn,tdferry=info,tdferry_common=info,tdferry_coordinator=info,\
                                  tdferry_worker=info,tdferry_embedded=info,tdferry_standin=info";

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// How to log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// Which lines, in the syntax of `RUST_LOG`.
    pub filter: String,
}

/// Logs that cannot be set up as asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_FORMAT` is neither text nor json.
    #[error("LOG_FORMAT: {0:?} is not known; write `text` or `json`")]
    Format(String),
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}; write it as `info` or `warn,tdferry_worker=debug`")]
    Filter(String),
    /// Logs were set up before.
    #[error("logs are set up twice in one process")]
    Twice,
}

impl LogConfig {
    /// What `LOG_FORMAT` and `RUST_LOG` say.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, TelemetryError> {
        let format = match env("LOG_FORMAT").as_deref() {
            None | Some("" | "text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return Err(TelemetryError::Format(other.to_owned())),
        };
        let filter = env("RUST_LOG").filter(|filter| !filter.is_empty());
        Ok(Self { format, filter: filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned()) })
    }

    /// Sends the logs of this process to stderr. Called once, by the binary.
    pub fn install(&self) -> Result<(), TelemetryError> {
        let subscriber = self.subscriber(std::io::stderr, std::io::stderr().is_terminal())?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)
    }

    /// As [`Self::install`] to another writer: one that knows of progress bars, or a test's.
    pub fn install_to<W>(&self, writer: W) -> Result<(), TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        tracing::subscriber::set_global_default(self.subscriber(writer, false)?)
            .map_err(|_| TelemetryError::Twice)
    }

    fn subscriber<W>(
        &self,
        writer: W,
        colours: bool,
    ) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let filter =
            EnvFilter::try_new(&self.filter).map_err(|err| TelemetryError::Filter(err.to_string()))?;
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
        Ok(match self.format {
            LogFormat::Text => {
                Box::new(lines.with_ansi(colours && std::env::var_os("NO_COLOR").is_none()).finish())
            }
            LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(pairs: &'static [(&str, &str)], log: impl FnOnce()) -> String {
        let env =
            |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let page = Page::default();
        let writer = page.clone();
        let subscriber =
            LogConfig::from_env(&env).unwrap().subscriber(move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_carry_message_and_fields_as_one_object() {
        let line = logged(&[("LOG_FORMAT", "json"), ("RUST_LOG", "info")], || {
            let _span = tracing::info_span!("lease", shard = 7).entered();
            tracing::info!(rows = 3, "batch written");
        });
        let object: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
        assert_eq!((&object["message"], &object["rows"]), (&"batch written".into(), &3.into()));
        assert_eq!(object["span"]["shard"], 7);
    }

    #[test]
    fn the_filter_decides_which_lines_appear() {
        let text = logged(&[("RUST_LOG", "warn")], || {
            tracing::info!("not shown");
            tracing::warn!("shown");
        });
        assert!(text.contains("shown") && !text.contains("not shown"), "{text}");
    }

    #[test]
    fn what_is_set_wrong_is_named() {
        let bad = |name: &'static str| move |asked: &str| (asked == name).then(|| "xml=[".to_owned());
        assert!(
            LogConfig::from_env(&bad("LOG_FORMAT"))
                .unwrap_err()
                .to_string()
                .starts_with("LOG_FORMAT: \"xml=[\"")
        );
        let config = LogConfig::from_env(&bad("RUST_LOG")).unwrap();
        assert!(config.install().unwrap_err().to_string().starts_with("RUST_LOG: "));
    }
}
