//! What a server tells of itself besides its data: clock, rights, nodes, room. Each is `None` where it cannot be asked.

/// A server as it shows itself to the user that asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// Its wall clock, in milliseconds since 1970.
    pub clock_millis: Option<i64>,
    /// What the user may do to the database.
    pub rights: Option<Rights>,
    /// Users besides those that every server has.
    pub users: Option<u64>,
    /// Continuous queries that run there.
    pub streams: Option<u64>,
    /// Its data nodes.
    pub dnodes: Option<Vec<Dnode>>,
    /// Bytes free on the disks of all data nodes.
    pub free_bytes: Option<u64>,
    /// Connections that were granted at once, of [`ASKED_CONNECTIONS`].
    pub connections: Option<u32>,
}

/// Connections that are asked for at once to see whether a gateway grants them: as many as a small worker uses.
pub const ASKED_CONNECTIONS: u32 = 8;

/// What a user may do to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Read.
    Read,
    /// Read and write what is there.
    Write,
    /// Everything, creating databases as well.
    All,
}

/// A data node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dnode {
    /// Where it listens.
    pub endpoint: String,
    /// Whether it works.
    pub ready: bool,
    /// Vnodes it has room for besides those it holds; `None` where it does not say.
    pub free_vnodes: Option<u64>,
}
