//! What the hosts log: counted by its words, and printed with the simulated time when one seed is replayed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::log::Log;

/// Counts by message.
pub(crate) type Told = Arc<Mutex<BTreeMap<String, u64>>>;

/// Runs something while its logs are counted, and printed if `aloud`.
pub(crate) fn listening<T>(log: &Log, aloud: bool, run: impl FnOnce() -> T) -> (T, BTreeMap<String, u64>) {
    let told = Told::default();
    let ear = Ear { told: Arc::clone(&told), log: log.clone(), aloud };
    let level = if aloud { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let ours = filter_fn(|metadata| metadata.target().starts_with("tdferry"));
    let subscriber = tracing_subscriber::registry().with(ear.with_filter(ours.and(level)));
    let answer = tracing::subscriber::with_default(subscriber, run);
    let counts = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (answer, counts)
}

struct Ear {
    told: Told,
    log: Log,
    aloud: bool,
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        if self.aloud {
            let at = self.log.now().as_secs_f64();
            let host = turmoil::in_simulation()
                .then(|| turmoil::reverse_lookup(turmoil::lookup("0.0.0.0")))
                .flatten();
            let level = short(*event.metadata().level());
            eprintln!("{at:>8.3} {level} {}{}{}", host.unwrap_or_default(), words.message, words.fields);
        }
        *self.told.lock().unwrap_or_else(PoisonError::into_inner).entry(words.message).or_default() += 1;
    }
}

const fn short(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN ",
        Level::INFO => "info ",
        _ => "debug",
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}
