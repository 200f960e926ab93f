//! All databases of the server.

use std::collections::BTreeMap;

use super::database::Database;

#[derive(Debug)]
pub(crate) struct Catalog {
    databases: BTreeMap<String, Database>,
    next_vgroup: u32,
}

/// The first two vgroups belong to what a real cluster keeps for itself.
const FIRST_VGROUP: u32 = 2;

impl Default for Catalog {
    fn default() -> Self {
        Self { databases: BTreeMap::new(), next_vgroup: FIRST_VGROUP }
    }
}

impl Catalog {
    pub(crate) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    pub(crate) fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.databases.get_mut(name)
    }

    pub(crate) fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    /// Numbers a new database's vgroups.
    pub(crate) fn take_vgroups(&mut self, count: u32) -> u32 {
        let first = self.next_vgroup;
        self.next_vgroup += count;
        first
    }

    pub(crate) fn add(&mut self, database: Database) {
        self.databases.insert(database.name.clone(), database);
    }

    pub(crate) fn drop_database(&mut self, name: &str) -> bool {
        self.databases.remove(name).is_some()
    }
}
