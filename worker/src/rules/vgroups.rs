//! How many vgroups a new database gets. Pure.
//!
//! 3.x spreads tables over vgroups by a hash of their names and takes the number once: splitting later is costly. Each vgroup
//! is a queue of writes with memory of its own, so too few make writers wait for each other and too many waste memory.

use std::fmt;

use tdferry_common::server::Server;

/// Tables of one vgroup: some ten megabytes of what it keeps of each, and a start that takes seconds.
const TABLES_A_VGROUP: u64 = 20_000;
/// What 3.x gives a database by itself.
const LEAST: u64 = 2;
/// Each takes the whole BUFFER (96 MB by the defaults of 2.x): more than this is for a person to ask for.
const MOST: u64 = 64;

/// What a database is to hold, who writes to it, and what its server has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    /// Subtables and normal tables.
    pub(crate) tables: u64,
    /// Writes in flight of all workers.
    pub(crate) writers: u64,
    /// Vnodes that the target has room for; `None` where it does not say.
    pub(crate) free_vnodes: Option<u64>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tables and {} writers", self.tables, self.writers)?;
        self.free_vnodes.iter().try_for_each(|free| write!(f, ", with room for {free} vnodes"))
    }
}

impl Load {
    /// So many tables and writers on this server.
    pub(crate) fn new(tables: u64, writers: u32, server: &Server) -> Self {
        let ready = server.dnodes.iter().flatten().filter(|dnode| dnode.ready);
        let free = ready.map(|dnode| dnode.free_vnodes).sum::<Option<u64>>();
        Self { tables, writers: u64::from(writers), free_vnodes: free.filter(|_| server.dnodes.is_some()) }
    }
}

/// A queue for each writer, and enough of them for the tables; none without a table, none that there is no room for.
pub(super) fn vgroups(load: &Load, replica: u64) -> u64 {
    let by_tables = load.tables.div_ceil(TABLES_A_VGROUP);
    let wanted = by_tables.max(load.writers.min(load.tables)).clamp(LEAST, MOST);
    let room = load.free_vnodes.map_or(u64::MAX, |free| free / replica.max(1));
    wanted.min(room).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_writers_and_room_decide() {
        let cases = [
            ((0, 8, None), 1, LEAST),
            ((1, 8, None), 1, LEAST),
            ((1_000, 8, None), 1, 8),
            ((50_000, 2, None), 1, 3),
            ((1_000_000, 8, None), 1, 50),
            ((100_000_000, 8, None), 1, MOST),
            ((1_000, 1_000, None), 1, MOST),
            ((1_000, 8, Some(5)), 1, 5),
            ((1_000, 8, Some(12)), 3, 4),
            ((1_000, 8, Some(0)), 3, 1),
        ];
        for ((tables, writers, free_vnodes), replica, wanted) in cases {
            let load = Load { tables, writers, free_vnodes };
            assert_eq!(vgroups(&load, replica), wanted, "{load}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_number_that_3_x_takes_and_grows_with_the_load(
            tables: u64, writers: u64, more in 0_u64..1_000_000, free in prop::option::of(0_u64..500), replica in 1_u64..=3,
        ) {
            let at = |tables, writers| vgroups(&Load { tables, writers, free_vnodes: free }, replica);
            let chosen = at(tables, writers);
            prop_assert!((1..=1_024).contains(&chosen));
            prop_assert!(free.is_none_or(|free| chosen == 1 || chosen * replica <= free));
            prop_assert!(at(tables.saturating_add(more), writers) >= chosen);
            prop_assert!(at(tables, writers.saturating_add(more)) >= chosen);
        }
    }
}
