//! What servers tell of themselves. A statement that a version does not know leaves its fact unknown; only a server
//! that is away is an error.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::pool::Pool;
use super::rows::{Record, Table, number, table, text};
use super::sql::quoted;
use crate::port::PortResult;
use crate::server::{ASKED_CONNECTIONS, Dnode, Rights, Server};

/// A gateway that has no connection to give lets wait; whoever has one to give does it at once.
const GRANT_TIMEOUT: Duration = Duration::from_secs(5);

/// Users that every 2.x server has.
const OWN_USERS: [&str; 3] = ["_root", "monitor", "root"];

/// Where taosKeeper, if there is one, writes what is free on each data folder.
const DATA_FOLDERS: &str = "log.taosd_dnodes_data_dirs";

/// A 2.x server. It has no rights by database: who may log in may read, and write or not.
pub(super) async fn v2(pool: &Arc<Pool>) -> PortResult<Server> {
    let users = ask(pool, "show users").await?;
    let own = own_name(pool).await?;
    let listed = users.map(|users| users.records().collect::<Vec<_>>());
    let rights = listed.as_ref().zip(own).and_then(|(users, own)| {
        let user = users.iter().find(|user| user.text(&["name"]).is_some_and(|name| name == own))?;
        Some(match user.text(&["privilege"])?.as_str() {
            "super" => Rights::All,
            "writable" => Rights::Write,
            _ => Rights::Read,
        })
    });
    let foreign =
        |user: &&Record| user.text(&["name"]).is_some_and(|name| !OWN_USERS.contains(&name.as_str()));
    Ok(Server {
        clock_millis: None,
        rights,
        users: listed.map(|users| length(users.iter().filter(foreign).count())),
        streams: ask(pool, "show streams").await?.map(|streams| length(streams.rows.len())),
        dnodes: ask(pool, "show dnodes").await?.map(dnodes),
        free_bytes: None,
        connections: connections(pool).await,
    })
}

/// A 3.x server.
pub(super) async fn v3(pool: &Arc<Pool>, database: &str) -> PortResult<Server> {
    let rights = rights(pool, database).await?;
    let (free_bytes, connections) = (free_bytes(pool).await?, connections(pool).await);
    let dnodes = ask(pool, "show dnodes").await?.map(dnodes);
    // last, so that whoever asked has it fresh
    let clock = ask(pool, "select now()").await?;
    let clock_millis = clock.as_ref().and_then(|clock| clock.single().and_then(number));
    Ok(Server { clock_millis, rights, users: None, streams: None, dnodes, free_bytes, connections })
}

async fn rights(pool: &Arc<Pool>, database: &str) -> PortResult<Option<Rights>> {
    let users = ask(pool, "select name, `super` from information_schema.ins_users").await?;
    let own = own_name(pool).await?;
    let listed = users.map(|users| users.records().collect::<Vec<_>>());
    let is_super = listed.as_ref().zip(own.as_ref()).and_then(|(users, own)| {
        let user = users.iter().find(|user| user.text(&["name"]).as_ref() == Some(own))?;
        user.number(&["super"])
    });
    match (is_super, &own) {
        (Some(1), _) => Ok(Some(Rights::All)),
        (_, Some(own)) => privileges(pool, own, database).await,
        (_, None) => Ok(None),
    }
}

/// The answer, or nothing where the server does not know the question or refuses it.
async fn ask(pool: &Arc<Pool>, sql: &str) -> PortResult<Option<Table>> {
    let answer = async { table(pool.query(sql).await?).await };
    match answer.await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_away() => Err(error),
        Err(_) => Ok(None),
    }
}

/// 3.x answers `name@host`.
async fn own_name(pool: &Arc<Pool>) -> PortResult<Option<String>> {
    let answer = ask(pool, "select current_user()").await?;
    let name = answer.as_ref().and_then(Table::single).and_then(text);
    Ok(name.map(|name| name.split('@').next().unwrap_or_default().to_owned()))
}

/// What a user that is not super was granted. A database's creator has every right to it and no row here (measured on
/// 3.3.1), so no row means nothing.
async fn privileges(pool: &Arc<Pool>, user: &str, database: &str) -> PortResult<Option<Rights>> {
    let sql = format!(
        "select privilege, db_name from information_schema.ins_user_privileges where user_name = {}",
        quoted(user)
    );
    let Some(granted) = ask(pool, &sql).await? else { return Ok(None) };
    let mut rights = None;
    for row in granted.records() {
        let name = row.text(&["db_name"]).unwrap_or_default();
        let holds = name == database || name.is_empty() || name == "all";
        let right = match row.text(&["privilege"]).unwrap_or_default().as_str() {
            "all" => Rights::All,
            "write" => Rights::Write,
            "read" => Rights::Read,
            _ => continue,
        };
        if holds {
            rights = rights.max(Some(right));
        }
    }
    Ok(rights)
}

fn dnodes(answer: Table) -> Vec<Dnode> {
    let one = |row: Record| {
        let number = |name: &str| row.number(&[name]).and_then(|number| u64::try_from(number).ok());
        Dnode {
            endpoint: row.text(&["endpoint", "end_point"]).unwrap_or_default(),
            ready: row.text(&["status"]).is_none_or(|status| status == "ready"),
            free_vnodes: number("support_vnodes")
                .zip(number("vnodes"))
                .map(|(most, held)| most.saturating_sub(held)),
        }
    };
    answer.records().map(one).collect()
}

async fn free_bytes(pool: &Arc<Pool>) -> PortResult<Option<u64>> {
    let answer = ask(pool, &format!("select last(avail) from {DATA_FOLDERS} group by tbname")).await?;
    let free = |row: &Vec<crate::batch::Value>| {
        row.first().and_then(text).and_then(|bytes| bytes.split('.').next()?.parse::<u64>().ok())
    };
    let folders: Option<Vec<u64>> = answer.map(|answer| answer.rows.iter().filter_map(free).collect());
    Ok(folders.filter(|folders| !folders.is_empty()).map(|folders| folders.iter().sum()))
}

/// All are held until the last has been asked for: only so do they count against what a gateway grants.
async fn connections(pool: &Arc<Pool>) -> Option<u32> {
    let asked = (0..ASKED_CONNECTIONS).map(|_| tokio::time::timeout(GRANT_TIMEOUT, pool.get()));
    let held: Vec<_> = join_all(asked).await.into_iter().filter_map(|conn| conn.ok()?.ok()).collect();
    u32::try_from(held.len()).ok()
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
