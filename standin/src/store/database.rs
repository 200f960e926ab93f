//! One database: its options, its stables, and its tables by name and in order of creation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::computed::ComputedSpec;
use super::table::{NewTable, Shape, Table, TableRef};
use crate::config::Flavor;
use crate::data::Precision;

/// The options a database was created with; numbers go by their lower-case DDL word.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseOptions {
    pub(crate) precision: Precision,
    pub(crate) keep_minutes: [i64; 3],
    pub(crate) duration_minutes: i64,
    pub(crate) cachemodel: String,
    pub(crate) numbers: BTreeMap<&'static str, i64>,
}

#[derive(Debug)]
pub(crate) struct Stable {
    pub(crate) shape: Arc<Shape>,
    pub(crate) computed: Vec<Arc<ComputedSpec>>,
    /// Slots of its stored subtables, in order of creation; a slot may have been emptied since.
    members: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) created_ms: i64,
    pub(crate) options: DatabaseOptions,
    pub(crate) vgroups: u32,
    /// The number of its first vgroup in the cluster.
    pub(crate) first_vgroup: u32,
    pub(crate) stables: BTreeMap<String, Stable>,
    slots: Vec<Option<Arc<Table>>>,
    by_name: HashMap<Arc<str>, u32>,
    uid: i64,
}

/// The tables a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum TableSet {
    One(TableRef),
    /// The subtables of a stable, to be asked for page by page.
    Stable(Arc<Shape>),
}

impl DatabaseOptions {
    pub(crate) fn number(&self, word: &str) -> i64 {
        self.numbers.get(word).copied().unwrap_or(0)
    }
}

impl Stable {
    pub(crate) fn table_count(&self, database: &Database) -> u64 {
        let stored = self.stored(database, 0).count() as u64;
        stored + self.computed.iter().map(|spec| spec.table_count()).sum::<u64>()
    }

    fn stored<'a>(
        &'a self,
        database: &'a Database,
        from: usize,
    ) -> impl Iterator<Item = (usize, &'a Arc<Table>)> {
        let members = self.members.iter().enumerate().skip(from);
        members
            .filter_map(|(at, slot)| Some((at, database.slots.get(*slot as usize)?.as_ref()?)))
            .filter(|(_, table)| Arc::ptr_eq(&table.shape, &self.shape))
    }
}

impl Database {
    pub(crate) fn new(name: String, options: DatabaseOptions, vgroups: u32, first_vgroup: u32) -> Self {
        Self {
            name,
            created_ms: 0,
            options,
            vgroups,
            first_vgroup,
            stables: BTreeMap::new(),
            slots: Vec::new(),
            by_name: HashMap::new(),
            uid: (i64::from(first_vgroup) + 1) << 48,
        }
    }

    pub(crate) fn next_uid(&mut self) -> i64 {
        self.uid += 1;
        self.uid
    }

    pub(crate) fn add_stable(&mut self, shape: Shape) {
        let stable = Stable { shape: Arc::new(shape), computed: Vec::new(), members: Vec::new() };
        self.stables.insert(stable.shape.stable.clone(), stable);
    }

    pub(crate) fn add_computed(&mut self, spec: ComputedSpec) {
        if let Some(stable) = self.stables.get_mut(&spec.shape.stable) {
            stable.shape.saw(spec.ts(spec.rows.saturating_sub(1)));
            stable.computed.push(Arc::new(spec));
        }
    }

    pub(crate) fn add_table(&mut self, new: NewTable, created_ms: i64, flavor: Flavor) -> Arc<Table> {
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let vgroup = self.place(&new.name, slot, flavor);
        let tid = i32::try_from(self.slots.len() + 1).unwrap_or(i32::MAX);
        let uid = self.next_uid();
        let table = Arc::new(Table::new(new, created_ms, (uid, tid), vgroup));
        if let Some(stable) = self.stables.get_mut(&table.shape.stable) {
            stable.members.push(slot);
        }
        self.by_name.insert(table.name.clone(), slot);
        self.slots.push(Some(table.clone()));
        table
    }

    pub(crate) fn drop_table(&mut self, name: &str) -> bool {
        if let Some(slot) = self.by_name.remove(name) {
            self.slots[slot as usize] = None;
            return true;
        }
        let Some((spec, index)) = self.computed(name) else { return false };
        spec.drop_table(index);
        true
    }

    pub(crate) fn drop_stable(&mut self, name: &str) -> bool {
        let Some(stable) = self.stables.remove(name) else { return false };
        for slot in stable.members {
            if let Some(table) = self.slots.get_mut(slot as usize).and_then(Option::take) {
                self.by_name.remove(&table.name);
            }
        }
        true
    }

    pub(crate) fn table(&self, name: &str) -> Option<TableRef> {
        if let Some(table) = self.stored_table(name) {
            return Some(TableRef::Stored(table.clone()));
        }
        self.computed(name).and_then(|(spec, index)| spec.table(index))
    }

    pub(crate) fn stored_table(&self, name: &str) -> Option<&Arc<Table>> {
        self.slots.get(*self.by_name.get(name)? as usize)?.as_ref()
    }

    /// Up to `count` subtables of a stable from a position on, and where the next page starts.
    pub(crate) fn subtables(&self, stable: &str, from: u64, count: usize) -> (Vec<TableRef>, Option<u64>) {
        let Some(stable) = self.stables.get(stable) else { return (Vec::new(), None) };
        let mut page = Vec::new();
        let mut skipped = 0;
        for spec in &stable.computed {
            let first = from.saturating_sub(skipped).min(spec.tables);
            let last = (first + (count - page.len()) as u64).min(spec.tables);
            page.extend((first..last).filter_map(|index| spec.table(index)));
            skipped += spec.tables;
            if last < spec.tables || page.len() == count {
                return (page, Some(skipped - spec.tables + last));
            }
        }
        let start = usize::try_from(from.saturating_sub(skipped)).unwrap_or(usize::MAX);
        for (at, table) in stable.stored(self, start) {
            page.push(TableRef::Stored(table.clone()));
            if page.len() == count {
                return (page, Some(skipped + at as u64 + 1));
            }
        }
        (page, None)
    }

    /// Up to `count` normal tables from a position on, and where the next page starts.
    pub(crate) fn normal_tables(&self, from: u64, count: usize) -> (Vec<TableRef>, Option<u64>) {
        let start = usize::try_from(from).unwrap_or(usize::MAX);
        let mut page = Vec::new();
        for (at, table) in self.slots.iter().enumerate().skip(start) {
            let Some(table) = table.as_ref().filter(|table| table.shape.stable.is_empty()) else { continue };
            page.push(TableRef::Stored(table.clone()));
            if page.len() == count {
                return (page, Some(at as u64 + 1));
            }
        }
        (page, None)
    }

    pub(crate) fn table_count(&self) -> u64 {
        let computed =
            self.stables.values().flat_map(|stable| &stable.computed).map(|spec| spec.table_count());
        self.by_name.len() as u64 + computed.sum::<u64>()
    }

    pub(crate) fn stored_tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.slots.iter().flatten()
    }

    pub(crate) fn vgroup_id(&self, vgroup: u32) -> u32 {
        self.first_vgroup + vgroup
    }

    /// The computed subtable of this name, dropped or not.
    fn computed(&self, name: &str) -> Option<(&Arc<ComputedSpec>, u64)> {
        let mut specs = self.stables.values().flat_map(|stable| &stable.computed);
        specs.find_map(|spec| Some((spec, spec.index_of(name)?)))
    }

    /// 2.x fills vgroups in order of creation, 3.x goes by a hash of the name.
    fn place(&self, name: &str, slot: u32, flavor: Flavor) -> u32 {
        let key = match flavor {
            Flavor::V26 => slot,
            Flavor::V3 => name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte)),
        };
        key % self.vgroups.max(1)
    }
}
