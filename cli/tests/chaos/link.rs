//! A wire between two parts: a TCP proxy whose weather can be made foul, and that counts what it did.
//!
//! What is held is kept and delivered later, as TCP does after a cut that heals. A lost packet is what TCP makes of it:
//! bytes that come a retransmission later.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What is read at once.
const BUFFER: usize = 64 * 1024;
/// A server on the same machine that does not answer by then is not there.
const CONNECT: Duration = Duration::from_secs(2);
/// One read in so many is late where packets get lost.
const ONE_LOST_IN: u32 = 8;
/// How late a lost packet is, in milliseconds: the least retransmission timeout and its first doublings.
const RETRANSMITTED: std::ops::Range<u64> = 200..800;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who called to who was called.
    Out,
    /// Back.
    Back,
}

/// What befalls bytes on one way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Nothing gets through until it lifts.
    pub(crate) held: bool,
    /// Everything is late by this.
    pub(crate) late: Duration,
    /// Bytes in a second, if bounded.
    pub(crate) rate: Option<u64>,
    /// Some packets get lost.
    pub(crate) lossy: bool,
}

/// What was seen on a wire.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Bytes that were held back, made late or slow.
    pub(crate) delayed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) resets: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) doubled: AtomicU64,
}

/// A wire; dropping it cuts it.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
    _serving: JoinSet<()>,
}

struct Wire {
    to: Mutex<SocketAddr>,
    out: watch::Sender<Weather>,
    back: watch::Sender<Weather>,
    /// Each change cuts every connection.
    resets: watch::Sender<u64>,
    /// After so many bytes that way its connection is cut in the middle of what it carries.
    cut: Mutex<Option<(Way, usize)>>,
    /// Whether each connection is attempted twice.
    doubling: watch::Sender<bool>,
    seen: Seen,
    seed: u64,
}

impl Link {
    /// A wire to an address, on a free port of its own.
    pub(crate) async fn to(address: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let wire = Arc::new(Wire {
            to: Mutex::new(address),
            out: watch::Sender::new(Weather::default()),
            back: watch::Sender::new(Weather::default()),
            resets: watch::Sender::new(0),
            cut: Mutex::new(None),
            doubling: watch::Sender::new(false),
            seen: Seen::default(),
            seed,
        });
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&wire)));
        Ok(Self { address, wire, _serving: serving })
    }

    /// Leads elsewhere from now on: whoever is behind it came back on another port.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *lock(&self.wire.to) = address;
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.wire.seen
    }

    /// Sets the weather of one way.
    pub(crate) fn weather(&self, way: Way, weather: Weather) {
        self.wire.of(way).send_replace(weather);
    }

    /// Cuts every connection with a reset.
    pub(crate) fn reset(&self) {
        self.wire.resets.send_modify(|times| *times += 1);
    }

    /// Cuts the connection that carries so many bytes more that way, in the middle of what it carries.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        *lock(&self.wire.cut) = Some((way, bytes));
    }

    /// Attempts each connection twice.
    pub(crate) fn double(&self, doubling: bool) {
        self.wire.doubling.send_replace(doubling);
    }

    /// Fair weather both ways.
    pub(crate) fn heal(&self) {
        self.weather(Way::Out, Weather::default());
        self.weather(Way::Back, Weather::default());
        *lock(&self.wire.cut) = None;
        self.double(false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::SeqCst);
}

async fn serve(listener: TcpListener, wire: Arc<Wire>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((caller, _)) = accepted else { continue };
                let number = wire.seen.connections.fetch_add(1, Ordering::SeqCst);
                carried.spawn(connect(caller, Arc::clone(&wire), number));
            }
            Some(_) = carried.join_next() => {}
        }
    }
}

async fn connect(mut caller: TcpStream, wire: Arc<Wire>, number: u64) {
    let to = *lock(&wire.to);
    let connected = timeout(CONNECT, TcpStream::connect(to)).await;
    let Ok(Ok(mut called)) = connected else {
        count(&wire.seen.refused, 1);
        let _ = caller.set_zero_linger();
        return;
    };
    let _ = (caller.set_nodelay(true), called.set_nodelay(true));
    let double = if *wire.doubling.borrow() { TcpStream::connect(to).await.ok() } else { None };
    let mut resets = wire.resets.subscribe();
    let rng = |way| SmallRng::seed_from_u64(wire.seed ^ (number << 1) ^ u64::from(way == Way::Back));
    let over = {
        let (from_caller, to_caller) = caller.split();
        let (from_called, to_called) = called.split();
        let out = Pump { wire: &wire, way: Way::Out, rng: rng(Way::Out), double };
        let back = Pump { wire: &wire, way: Way::Back, rng: rng(Way::Back), double: None };
        let both =
            async { tokio::try_join!(out.run(from_caller, to_called), back.run(from_called, to_caller)) };
        tokio::select! {
            _ = resets.changed() => Err(()),
            ended = both => ended.map(drop),
        }
    };
    if over.is_err() {
        count(&wire.seen.resets, 1);
        let _ = (caller.set_zero_linger(), called.set_zero_linger());
    }
}

impl Wire {
    fn of(&self, way: Way) -> &watch::Sender<Weather> {
        match way {
            Way::Out => &self.out,
            Way::Back => &self.back,
        }
    }

    /// How many of these bytes still go, if the connection is to be cut among them.
    fn cuts(&self, way: Way, bytes: usize) -> Option<usize> {
        let mut cut = lock(&self.cut);
        let (_, left) = cut.filter(|(which, _)| *which == way)?;
        if left < bytes {
            *cut = None;
            return Some(left);
        }
        *cut = Some((way, left - bytes));
        None
    }
}

/// One way of one connection.
struct Pump<'a> {
    wire: &'a Wire,
    way: Way,
    rng: SmallRng,
    /// A second connection that hears the caller's first words, too.
    double: Option<TcpStream>,
}

impl Pump<'_> {
    /// Carries until the end; an error is a reset.
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), ()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = from.read(&mut buffer).await.map_err(drop)?;
            if read == 0 {
                return to.shutdown().await.map_err(drop);
            }
            self.suffer(read).await;
            if let Some(left) = self.wire.cuts(self.way, read) {
                let _ = to.write_all(&buffer[..left]).await;
                return Err(());
            }
            if let Some(mut double) = self.double.take() {
                let _ = double.write_all(&buffer[..read]).await;
                count(&self.wire.seen.doubled, 1);
            }
            to.write_all(&buffer[..read]).await.map_err(drop)?;
            count(&self.wire.seen.bytes, read);
        }
    }

    async fn suffer(&mut self, bytes: usize) {
        let mut weather = self.wire.of(self.way).subscribe();
        let now = *weather.borrow();
        let slow = now.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_millis(
                u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000) / rate.max(1),
            )
        });
        let lost = now.lossy && self.rng.random_ratio(1, ONE_LOST_IN);
        let late = if lost { Duration::from_millis(self.rng.random_range(RETRANSMITTED)) } else { now.late };
        count(&self.wire.seen.lost, usize::from(lost));
        if now.held || !(slow + late).is_zero() {
            count(&self.wire.seen.delayed, bytes);
        }
        sleep(slow + late).await;
        // lifted, or the wire is gone
        let _ = weather.wait_for(|weather| !weather.held).await;
    }
}
