//! A channel bounded in bytes between a reader and a writer: the next blocks are read while this one is written,
//! and never more of them than fit.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Items without bytes, such as the ends of empty tables, are bounded by number.
const ITEMS: usize = 256;

/// The reader's end.
pub(super) struct Sender<T> {
    items: mpsc::Sender<(T, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
    bytes: u32,
}

/// The writer's end.
pub(super) struct Receiver<T>(mpsc::Receiver<(T, Option<OwnedSemaphorePermit>)>);

/// Nobody takes what is read any more.
#[derive(Debug)]
pub(super) struct Closed;

pub(super) fn feed<T>(bytes: usize) -> (Sender<T>, Receiver<T>) {
    let (items, receiver) = mpsc::channel(ITEMS);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS)));
    (Sender { items, room, bytes }, Receiver(receiver))
}

impl<T> Sender<T> {
    /// Waits for room. One item larger than all of it passes alone.
    pub(super) async fn send(&self, item: T, bytes: usize) -> Result<(), Closed> {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        let permit = match wanted {
            0 => None,
            _ => Some(Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| Closed)?),
        };
        self.items.send((item, permit)).await.map_err(|_| Closed)
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when the reader is through, or gave up.
    pub(super) async fn next(&mut self) -> Option<T> {
        self.0.recv().await.map(|(item, _room)| item)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_reader_waits_when_the_bytes_are_used_up_and_goes_on_when_one_is_taken() {
        let (sender, mut receiver) = feed(10);
        sender.send("a", 6).await.unwrap();
        assert!(sender.send("b", 6).now_or_never().is_none());
        assert_eq!(receiver.next().await, Some("a"));
        sender.send("b", 6).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_item_larger_than_all_room_passes_alone() {
        let (sender, mut receiver) = feed(10);
        sender.send("a", 1_000).now_or_never().unwrap().unwrap();
        assert!(sender.send("b", 1).now_or_never().is_none());
        assert_eq!(receiver.next().await, Some("a"));
        drop(receiver);
        assert!(sender.send("c", 1).await.is_err());
    }
}
