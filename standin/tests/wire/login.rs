//! Who may connect, where, and what they may do.

use taos::{AsyncQueryable, AsyncTBuilder, TaosBuilder};
use tdferry_standin::{Config, Flavor, Server, User};

use crate::client::{connect, exec, refused, rows, server, within};

async fn code_of_first_query(dsn: &str) -> i32 {
    let taos = TaosBuilder::from_dsn(dsn).unwrap().build().await;
    let result = match taos {
        Err(error) => Err(error),
        Ok(taos) => within(taos.exec("select server_status()")).await,
    };
    result.map_or_else(|error| i32::from(error.code()), |_| 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_and_unknown_databases_are_refused_with_each_generations_code() {
    for (flavor, password, database) in [(Flavor::V26, 0x0003, 0x0383), (Flavor::V3, 0x0357, 0x0388)] {
        let server = server(flavor).await;
        let addr = server.addr();
        assert_eq!(code_of_first_query(&format!("ws://root:taosdata@{addr}")).await, 0);
        assert_eq!(code_of_first_query(&format!("ws://root:wrong@{addr}")).await, password);
        assert_eq!(code_of_first_query(&format!("ws://nobody:taosdata@{addr}")).await, password);
        assert_eq!(code_of_first_query(&format!("ws://root:taosdata@{addr}/nowhere")).await, database);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_reads_and_changes_nothing() {
    for (flavor, ddl, insert) in [(Flavor::V26, 0x0303, 0x0512), (Flavor::V3, 0x0303, 0x2644)] {
        let mut config = Config::new(flavor);
        config.users.push(User { name: "reader".into(), password: "secret".into(), read_only: true });
        let server = Server::start(config).await.unwrap();
        server.execute("create database d keep 36500").unwrap();
        server.execute("create table d.t (ts timestamp, v int)").unwrap();
        let taos = connect(&format!("ws://reader:secret@{}", server.addr())).await;
        assert_eq!(refused(&taos, "create database e").await, ddl);
        assert_eq!(refused(&taos, "insert into d.t values (1600000000000, 1)").await, insert);
        assert!(rows(&taos, "select * from d.t").await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_flavour_opens_its_own_paths_only() {
    for (flavor, path, open) in [
        (Flavor::V26, "/ws", false),
        (Flavor::V26, "/rest/ws", true),
        (Flavor::V3, "/ws", true),
        (Flavor::V3, "/rest/ws", true),
        (Flavor::V3, "/elsewhere", false),
    ] {
        let server = server(flavor).await;
        let url = format!("ws://{}{path}", server.addr());
        let connected = within(tokio_tungstenite::connect_async(url)).await;
        assert_eq!(connected.is_ok(), open, "{flavor:?} {path}");
        if let Err(error) = connected {
            assert!(error.to_string().contains("404"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_a_dsn_is_the_current_one() {
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = server(flavor).await;
        server.execute("create database d keep 36500").unwrap();
        let taos = connect(&format!("{}/d", server.dsn())).await;
        exec(&taos, "create table t (ts timestamp, v int)").await;
        exec(&taos, "insert into t values (1600000000000, 1)").await;
        assert_eq!(server.row_count("d", "t"), Some(1));
        assert_eq!(rows(&taos, "select database()").await, [["VarChar(\"d\")"]]);
    }
}
