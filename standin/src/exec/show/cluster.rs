//! Nodes, vgroups, users: what the cluster claims to be made of.

use super::{Listing, fields, int};
use crate::config::Flavor;
use crate::data::DataType::{BigInt, Binary, Int, SmallInt, Timestamp};
use crate::data::Value;
use crate::error::SqlResult;
use crate::exec::Engine;
use crate::sync::read;

/// Vgroups a dnode may hold.
const SUPPORTED_VNODES: i64 = 64;
const CORES: i64 = 2;
const FIRST_DNODE_PORT: u32 = 6030;

pub(super) fn dnodes(engine: &Engine) -> Listing {
    let created = int(engine.now_ms());
    let fields = match engine.flavor() {
        Flavor::V26 => fields(&[
            ("id", SmallInt, 2),
            ("end_point", Binary, 134),
            ("vnodes", SmallInt, 2),
            ("cores", SmallInt, 2),
            ("status", Binary, 10),
            ("role", Binary, 5),
            ("create_time", Timestamp, 8),
            ("offline reason", Binary, 24),
        ]),
        Flavor::V3 => fields(&[
            ("id", Int, 4),
            ("endpoint", Binary, 134),
            ("vnodes", SmallInt, 2),
            ("support_vnodes", SmallInt, 2),
            ("status", Binary, 10),
            ("create_time", Timestamp, 8),
            ("reboot_time", Timestamp, 8),
            ("note", Binary, 256),
        ]),
    };
    let row = |dnode: u16| {
        let (id, end_point, vnodes) = (int(dnode), Value::text(end_point(dnode)), int(vnodes(engine, dnode)));
        let ready = Value::from("ready");
        match engine.flavor() {
            Flavor::V26 => {
                let role = Value::from("any");
                vec![id, end_point, vnodes, int(CORES), ready, role, created.clone(), Value::from("")]
            }
            Flavor::V3 => {
                let times = created.clone();
                vec![
                    id,
                    end_point,
                    vnodes,
                    int(SUPPORTED_VNODES),
                    ready,
                    times.clone(),
                    times,
                    Value::from(""),
                ]
            }
        }
    };
    (fields, (1..=engine.config.dnodes.max(1)).map(row).collect())
}

pub(super) fn mnodes(engine: &Engine) -> Listing {
    let id = if engine.flavor() == Flavor::V26 { SmallInt } else { Int };
    let fields = fields(&[
        ("id", id, if id == Int { 4 } else { 2 }),
        ("end_point", Binary, 134),
        ("role", Binary, 12),
        ("role_time", Timestamp, 8),
        ("create_time", Timestamp, 8),
    ]);
    let time = int(engine.now_ms());
    (fields, vec![vec![int(1), Value::text(end_point(1)), Value::from("leader"), time.clone(), time]])
}

pub(super) fn vgroups(engine: &Engine, name: &str) -> SqlResult<Listing> {
    let dnodes = u32::from(engine.config.dnodes.max(1));
    engine.with_database(name, |database| {
        let mut tables = vec![0_i64; database.vgroups as usize];
        database.stored_tables().for_each(|table| tables[table.vgroup as usize] += 1);
        for spec in database.stables.values().flat_map(|stable| &stable.computed) {
            let (each, rest) =
                (spec.tables / u64::from(database.vgroups), spec.tables % u64::from(database.vgroups));
            let counts = tables.iter_mut().zip(0_u64..);
            counts.for_each(|(count, at)| {
                *count += i64::try_from(each).unwrap_or(i64::MAX) + i64::from(at < rest);
            });
        }
        // 2.x has no vgroup before the first table
        let old = engine.flavor() == Flavor::V26;
        let shown = if old && tables.iter().all(|count| *count == 0) { 0 } else { database.vgroups };
        let rows = (0..shown).zip(tables).map(|(vgroup, tables)| {
            let id = database.vgroup_id(vgroup);
            let row = VgroupRow { id, dnode: id % dnodes + 1, tables };
            if old { row.v26() } else { row.v3(name) }
        });
        Ok((if old { v26_vgroup_fields() } else { v3_vgroup_fields() }, rows.collect()))
    })
}

struct VgroupRow {
    id: u32,
    dnode: u32,
    tables: i64,
}

impl VgroupRow {
    fn v26(&self) -> Vec<Value> {
        let (ready, leader) = (Value::from("ready"), Value::from("leader"));
        vec![int(self.id), int(self.tables), ready, int(1), int(self.dnode), leader, int(0)]
    }

    fn v3(&self, database: &str) -> Vec<Value> {
        let leader = Value::from("leader");
        vec![int(self.id), Value::from(database), int(self.tables), int(self.dnode), leader]
    }
}

fn v26_vgroup_fields() -> Vec<crate::data::Field> {
    fields(&[
        ("vgId", Int, 4),
        ("tables", Int, 4),
        ("status", Binary, 8),
        ("onlines", Int, 4),
        ("v1_dnode", SmallInt, 2),
        ("v1_status", Binary, 9),
        ("compacting", Int, 4),
    ])
}

/// The first columns of `ins_vgroups`: what says where tables are.
fn v3_vgroup_fields() -> Vec<crate::data::Field> {
    fields(&[
        ("vgroup_id", Int, 4),
        ("db_name", Binary, 64),
        ("tables", Int, 4),
        ("v1_dnode", SmallInt, 2),
        ("v1_status", Binary, 9),
    ])
}

/// `information_schema.ins_vgroups`.
pub(super) fn ins_vgroups(engine: &Engine) -> Listing {
    let names: Vec<String> =
        read(&engine.catalog).databases().map(|database| database.name.clone()).collect();
    let listings = names.iter().filter_map(|name| vgroups(engine, name).ok());
    (v3_vgroup_fields(), listings.flat_map(|(_, rows)| rows).collect())
}

pub(super) fn users(engine: &Engine) -> Listing {
    let created = int(engine.now_ms());
    let fields = fields(&[
        ("name", Binary, 24),
        ("privilege", Binary, 8),
        ("create_time", Timestamp, 8),
        ("account", Binary, 24),
    ]);
    let row = |user: &crate::config::User| {
        let privilege = match (user.name.as_str(), user.read_only) {
            ("root", _) => "super",
            (_, true) => "readable",
            _ => "writable",
        };
        vec![Value::from(user.name.as_str()), Value::from(privilege), created.clone(), Value::from("root")]
    };
    // 2.x has two users of its own
    let own = ["_root", "monitor"]
        .map(|name| vec![Value::from(name), Value::from("writable"), created.clone(), Value::from("root")]);
    let own = own.into_iter().filter(|_| engine.flavor() == Flavor::V26);
    (fields, own.chain(engine.config.users.iter().map(row)).collect())
}

pub(super) fn cluster(engine: &Engine) -> Listing {
    let fields = fields(&[
        ("id", BigInt, 8),
        ("name", Binary, 40),
        ("uptime", Int, 4),
        ("create_time", Timestamp, 8),
        ("version", Binary, 10),
        ("expire_time", Timestamp, 8),
    ]);
    let row = vec![
        int(1),
        Value::from("tdferry-standin"),
        int(1),
        int(engine.now_ms()),
        Value::from("community"),
        Value::Null,
    ];
    (fields, vec![row])
}

fn end_point(dnode: u16) -> String {
    format!("127.0.0.1:{}", FIRST_DNODE_PORT + (u32::from(dnode) - 1) * 100)
}

fn vnodes(engine: &Engine, dnode: u16) -> i64 {
    let dnodes = u32::from(engine.config.dnodes.max(1));
    let catalog = read(&engine.catalog);
    let all = catalog
        .databases()
        .flat_map(|database| (0..database.vgroups).map(|vgroup| database.vgroup_id(vgroup)));
    let here = all.filter(|id| id % dnodes + 1 == u32::from(dnode)).count();
    i64::try_from(here).unwrap_or(i64::MAX)
}
