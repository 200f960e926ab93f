//! What a stand-in server is asked to be: its flavour, its users, what it keeps of the rows it is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which generation of TDengine the server answers as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// TDengine 2.6 behind the taosAdapter of that time.
    V26,
    /// TDengine 3.x behind a taosAdapter that knows `/ws` and raw blocks.
    V3,
}

/// What is kept of written rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SinkMode {
    /// Every row.
    #[default]
    Keep,
    /// Per table: the exact set of timestamps as runs of equal step, and an order-free sum over the rows.
    /// Counts, first and last stay exact; rows cannot be read back.
    Digest,
}

/// Someone who may connect.
#[derive(Clone, Debug)]
pub struct User {
    /// The name sent in `conn`.
    pub name: String,
    /// The password sent in `conn`.
    pub password: String,
    /// Whether statements that change something are refused.
    pub read_only: bool,
}

/// Everything that can be set before a server starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which generation to answer as.
    pub flavor: Flavor,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may connect.
    pub users: Vec<User>,
    /// What is kept of written rows.
    pub sink: SinkMode,
    /// How many dnodes the cluster claims to have; vgroups are dealt to them in turn.
    pub dnodes: u16,
    /// Vgroups of a database that does not say (3.x) or cannot say (2.x) how many.
    pub vgroups: u32,
    /// What `server_version()` and the `version` action answer.
    pub version: String,
    /// The wall clock, in milliseconds since 1970; tests put a fixed one here.
    pub now_ms: fn() -> i64,
}

impl Config {
    /// A server of this flavour on a free loopback port, with the customary root user.
    #[must_use]
    pub fn new(flavor: Flavor) -> Self {
        let version = match flavor {
            Flavor::V26 => "2.6.0.34",
            // below 3.3.0.8, so that no client of any version turns binary SQL on
            Flavor::V3 => "3.0.7.1",
        };
        Self {
            flavor,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            users: vec![User { name: "root".into(), password: "taosdata".into(), read_only: false }],
            sink: SinkMode::Keep,
            dnodes: 1,
            vgroups: if flavor == Flavor::V26 { 1 } else { 2 },
            version: version.into(),
            now_ms: wall_ms,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock; injected everywhere else"
)]
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
