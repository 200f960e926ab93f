//! One connection: its user, its current database, its open results, and the faults that befall it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::message::{Args, FetchReply, QueryReply, Reply, Request};
use super::quickack::QuickAck;
use super::raw_block::Head;
use crate::block::{encode_v2, encode_v3, v2_cell_width};
use crate::config::Flavor;
use crate::data::Batch;
use crate::error::{SqlError, SqlResult, pick};
use crate::exec::{Answer, Context, Engine, ResultStream};
use crate::fault::{Action, Faults, Moment};

type Socket = WebSocketStream<QuickAck>;

pub(super) struct Session {
    engine: Arc<Engine>,
    faults: Faults,
    context: Context,
    logged_in: bool,
    results: BTreeMap<u64, OpenResult>,
    next_result: u64,
}

/// A result that is being fetched, and the block that `fetch` announced.
struct OpenResult {
    sql: Arc<str>,
    rows: ResultStream,
    block: Option<Batch>,
}

/// What one request leads to.
enum Done {
    Reply(Message),
    /// Nothing is said, now or ever.
    Silence,
    Hang,
    Cut,
}

impl Session {
    pub(super) fn new(engine: Arc<Engine>, faults: Faults) -> Self {
        Self {
            engine,
            faults,
            context: Context::default(),
            logged_in: false,
            results: BTreeMap::new(),
            next_result: 1,
        }
    }

    /// Serves until the peer leaves or a fault cuts it off.
    pub(super) async fn run(mut self, socket: Socket) -> Result<(), WsError> {
        let (mut out, mut input): (SplitSink<Socket, Message>, SplitStream<Socket>) = socket.split();
        while let Some(message) = input.next().await {
            let done = match message? {
                Message::Text(text) => self.text(&text).await,
                Message::Binary(bytes) => self.binary(&bytes).await,
                Message::Close(_) => return Ok(()),
                // tungstenite answers pings by itself
                _ => Done::Silence,
            };
            match done {
                Done::Reply(reply) => out.send(reply).await?,
                Done::Silence => out.flush().await?,
                Done::Hang => {}
                Done::Cut => return Ok(()),
            }
        }
        Ok(())
    }

    async fn text(&mut self, text: &str) -> Done {
        let Ok(request) = serde_json::from_str::<Request<'_>>(text) else {
            tracing::debug!("a message that is no request");
            return Done::Cut;
        };
        let args = &request.args;
        match request.action.as_ref() {
            "version" => self.version(),
            "conn" => {
                let about = || format!("conn {}", args.user.as_deref().unwrap_or(""));
                let strike = self.faults.strike(about);
                self.under(strike, ("conn", args.req_id), |session| session.conn(args)).await
            }
            "free_result" => {
                self.results.remove(&args.id);
                Done::Silence
            }
            _ if !self.logged_in => {
                self.refuse(&request.action, args.req_id, &SqlError::new(0xFFFF, "server not connected"))
            }
            "query" => {
                let strike = self.faults.strike(|| args.sql.to_string());
                self.under(strike, ("query", args.req_id), |session| session.query(args)).await
            }
            "fetch" => {
                let strike = self.faults.strike(|| self.about_fetch(args.id));
                self.under(strike, ("fetch", args.req_id), |session| session.fetch(args)).await
            }
            "fetch_block" => self.fetch_block(args),
            other => self.refuse(other, args.req_id, &SqlError::new(0xFFFF, "unknown action")),
        }
    }

    async fn binary(&mut self, bytes: &[u8]) -> Done {
        let Some(head) = Head::read(bytes) else {
            tracing::debug!(length = bytes.len(), "a binary message that is no request");
            return Done::Cut;
        };
        if !self.logged_in || self.engine.flavor() == Flavor::V26 {
            return self.refuse(head.action, head.req_id, &SqlError::new(0xFFFF, "server not connected"));
        }
        let strike = self.faults.strike(|| format!("raw block {}", head.table));
        self.under(strike, (head.action, head.req_id), |session| session.write_block(&head)).await
    }

    /// Does what was asked, with whatever was to go wrong.
    async fn under(
        &mut self,
        strike: Option<Action>,
        (action, req_id): (&str, u64),
        work: impl FnOnce(&mut Self) -> SqlResult<Message>,
    ) -> Done {
        let after = match strike {
            None => None,
            Some(Action::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                None
            }
            Some(Action::Refuse(error)) => return self.refuse(action, req_id, &error),
            Some(Action::Cut(Moment::Before)) => return Done::Cut,
            Some(Action::Stall(Moment::Before)) => return Done::Hang,
            Some(Action::Cut(Moment::After)) => Some(Done::Cut),
            Some(Action::Stall(Moment::After)) => Some(Done::Hang),
        };
        let done = match work(self) {
            Ok(reply) => Done::Reply(reply),
            Err(error) => self.refuse(action, req_id, &error),
        };
        after.unwrap_or(done)
    }

    fn refuse(&self, action: &str, req_id: u64, error: &SqlError) -> Done {
        let error = SqlError::new(error.code & 0xFFFF, error.message.as_str());
        Done::Reply(Message::Text(Reply::error(self.engine.flavor(), action, req_id, &error).text()))
    }

    fn version(&self) -> Done {
        // 2.6 sends neither request id nor timing here; clients take a zero for none
        let reply = Reply {
            version: Some(&self.engine.config.version),
            ..Reply::ok(self.engine.flavor(), "version", 0)
        };
        Done::Reply(Message::Text(reply.text()))
    }

    fn conn(&mut self, args: &Args<'_>) -> SqlResult<Message> {
        let flavor = self.engine.flavor();
        let (name, password) = (args.user.as_deref().unwrap_or(""), args.password.as_deref().unwrap_or(""));
        let user =
            self.engine.config.users.iter().find(|user| user.name == name && user.password == password);
        let refused = || SqlError::new(pick(flavor, 0x0003, 0x0357), "Authentication failure");
        let user = user.ok_or_else(refused)?;
        self.context = Context { user: user.name.clone(), read_only: user.read_only, database: None };
        if let Some(database) = args.db.as_deref().filter(|database| !database.is_empty()) {
            self.engine.enter(&mut self.context, database)?;
        }
        self.logged_in = true;
        Ok(Message::Text(Reply::ok(flavor, "conn", args.req_id).text()))
    }

    fn query(&mut self, args: &Args<'_>) -> SqlResult<Message> {
        let answer = self.engine.execute(&mut self.context, &args.sql)?;
        let (id, query) = match answer {
            Answer::Affected(rows) => (0, QueryReply::update(rows)),
            Answer::Rows(rows) => {
                let id = self.next_result;
                self.next_result += 1;
                let reply = QueryReply::rows(&rows);
                self.results.insert(id, OpenResult { sql: args.sql.as_ref().into(), rows, block: None });
                (id, reply)
            }
        };
        let ok = Reply::ok(self.engine.flavor(), "query", args.req_id);
        Ok(Message::Text(Reply { id: Some(id), query: Some(query), ..ok }.text()))
    }

    fn fetch(&mut self, args: &Args<'_>) -> SqlResult<Message> {
        let flavor = self.engine.flavor();
        let result = self.results.get_mut(&args.id).ok_or_else(no_result)?;
        let block = result.rows.next_block(&self.engine).map_err(|error| match flavor {
            Flavor::V26 => error,
            // 3.x loses the code here
            Flavor::V3 => SqlError::new(0xFFFF, error.message),
        })?;
        let rows = block.as_ref().map_or(0, |block| block.rows);
        self.engine.counters.rows_read(rows);
        let lengths = result.rows.fields.iter().map(v2_cell_width).collect();
        let fetch =
            FetchReply { completed: block.is_none(), lengths: block.is_some().then_some(lengths), rows };
        if block.is_none() {
            self.results.remove(&args.id);
        } else {
            result.block = block;
        }
        let ok = Reply::ok(flavor, "fetch", args.req_id);
        Ok(Message::Text(Reply { id: Some(args.id), fetch: Some(fetch), ..ok }.text()))
    }

    fn fetch_block(&mut self, args: &Args<'_>) -> Done {
        let Some((result, block)) = self
            .results
            .get_mut(&args.id)
            .and_then(|result| result.block.take().map(|block| (result, block)))
        else {
            return self.refuse("fetch_block", args.req_id, &no_result());
        };
        let mut out = Vec::new();
        match self.engine.flavor() {
            Flavor::V26 => {
                out.extend_from_slice(&args.id.to_le_bytes());
                encode_v2(&block, &result.rows.fields, &mut out);
            }
            Flavor::V3 => {
                // how long it took, in nanoseconds
                out.extend_from_slice(&1_u64.to_le_bytes());
                out.extend_from_slice(&args.id.to_le_bytes());
                encode_v3(&block, &result.rows.fields, &mut out);
            }
        }
        Done::Reply(Message::Binary(out))
    }

    fn write_block(&mut self, head: &Head<'_>) -> SqlResult<Message> {
        let names = || self.engine.column_names(&self.context, head.table);
        let block = head.block(names)?;
        self.engine.write_block(&self.context, block)?;
        Ok(Message::Text(Reply::ok(self.engine.flavor(), head.action, head.req_id).text()))
    }

    fn about_fetch(&self, id: u64) -> String {
        format!("fetch {}", self.results.get(&id).map_or("", |result| &result.sql))
    }
}

fn no_result() -> SqlError {
    SqlError::new(0xFFFF, "result is nil")
}

impl QueryReply {
    fn update(affected_rows: u64) -> Self {
        Self {
            is_update: true,
            affected_rows,
            fields_count: 0,
            fields_names: None,
            fields_types: None,
            fields_lengths: None,
            precision: 0,
        }
    }

    fn rows(rows: &ResultStream) -> Self {
        let fields = rows.fields.iter();
        Self {
            is_update: false,
            affected_rows: 0,
            fields_count: rows.fields.len(),
            fields_names: Some(fields.clone().map(|field| field.name.clone()).collect()),
            fields_types: Some(fields.clone().map(|field| field.ty.code()).collect()),
            fields_lengths: Some(fields.map(|field| field.bytes).collect()),
            precision: rows.precision.code(),
        }
    }
}
