//! Every state that can be reached, the nearest first; whether a promise is broken in one, and whether the end can
//! still be reached from each.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use crate::state::{PLANNED, ROWS, State};
use crate::step::{Step, reordered, steps};
use crate::store::{Broken, Planted, Store};

/// What a complete search saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) states: usize,
    pub(crate) ends: usize,
    pub(crate) cut: usize,
    pub(crate) poisoned: usize,
}

/// The shortest way to a state that breaks a promise.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) broken: Broken,
    pub(crate) way: Vec<Step>,
}

#[derive(Default)]
struct Search {
    /// States that differ only in the order of workers are one.
    known: HashMap<u128, u32>,
    /// From which state each was reached first, and how.
    from: Vec<Option<(u32, Step)>>,
    /// Every step backwards.
    back: Vec<(u32, u32)>,
    ends: Vec<u32>,
    seen: Seen,
}

/// Searches all of it, or up to the first promise that is broken.
pub(crate) fn search(first: State, planted: Planted) -> Result<Seen, Found> {
    let store = Store { planted };
    let mut search = Search::default();
    let mut next = VecDeque::from([(search.add(&first, None).0, first)]);
    while let Some((n, state)) = next.pop_front() {
        for step in steps(&state, planted) {
            let after = store.after(state, step).and_then(|after| holds(&after).map(|()| after));
            let after = after.map_err(|broken| search.found(broken, n, Some(step)))?;
            let (to, new) = search.add(&after, Some((n, step)));
            search.back.push((to, n));
            if new {
                next.push_back((to, after));
            }
        }
    }
    search.all_end()
}

impl Search {
    fn add(&mut self, state: &State, from: Option<(u32, Step)>) -> (u32, bool) {
        let n = u32::try_from(self.from.len()).unwrap();
        let known = *self.known.entry(hash(state)).or_insert(n);
        if known == n {
            self.from.push(from);
            let shards = || state.shards.iter().flatten();
            self.seen.states += 1;
            self.seen.cut += usize::from(shards().count() > PLANNED);
            self.seen.poisoned += usize::from(shards().any(|shard| shard.poisoned));
            if shards().all(|shard| !shard.is_open()) {
                self.ends.push(n);
            }
        }
        (known, known == n)
    }

    fn found(&self, broken: Broken, at: u32, last: Option<Step>) -> Found {
        let mut way: Vec<Step> = last.into_iter().collect();
        let mut at = at;
        while let Some((from, step)) = self.from[usize::try_from(at).unwrap()] {
            way.push(step);
            at = from;
        }
        way.reverse();
        Found { broken, way }
    }

    /// Promise L1: from everywhere a state can be reached in which every shard is through.
    fn all_end(mut self) -> Result<Seen, Found> {
        self.back.sort_unstable();
        let mut reaches = vec![false; self.from.len()];
        let mut next = self.ends.clone();
        while let Some(n) = next.pop() {
            if !std::mem::replace(&mut reaches[usize::try_from(n).unwrap()], true) {
                let begin = self.back.partition_point(|(to, _)| *to < n);
                next.extend(self.back[begin..].iter().take_while(|(to, _)| *to == n).map(|(_, from)| *from));
            }
        }
        if let Some(stuck) = reaches.iter().position(|reaches| !reaches) {
            return Err(self.found(
                "L1: the end cannot be reached any more",
                u32::try_from(stuck).unwrap(),
                None,
            ));
        }
        Ok(Seen { ends: self.ends.len(), ..self.seen })
    }
}

/// Every promise that one state can show broken.
fn holds(state: &State) -> Result<(), Broken> {
    let mut covered = [[0u8; ROWS as usize]; PLANNED];
    for (at, shard) in state.shards.iter().enumerate().filter_map(|(at, shard)| Some((at, shard.as_ref()?))) {
        let group = usize::from(shard.group);
        (shard.from..shard.to).for_each(|row| covered[group][usize::from(row)] += 1);
        if (shard.from..shard.stands.next).any(|row| state.rows[group] & (1 << row) == 0) {
            return Err("S3: a row before a committed offset is not in the sink");
        }
        if shard.done && shard.stands.next != shard.to {
            return Err("S4: a shard is done before its end");
        }
        if !shard.is_open() && state.leases[at].is_some() {
            return Err("Honest: a shard is through, and its lease stands");
        }
    }
    if covered.iter().flatten().any(|times| *times != 1) {
        return Err("S5: shards overlap or leave a gap");
    }
    Ok(())
}

/// The same for all orders of the workers.
fn hash(state: &State) -> u128 {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let one = |order| {
        let mut hasher = Mixed(0);
        reordered(state, order).hash(&mut hasher);
        hasher.0
    };
    ORDERS.into_iter().map(one).min().unwrap_or_default()
}

/// A hash of 128 bits, in which two of some millions of states do not meet; each step can be undone.
struct Mixed(u128);

impl Mixed {
    fn word(&mut self, word: u64) {
        // an odd number without a pattern: the digits of pi
        const FACTOR: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;
        let product = (self.0 ^ u128::from(word)).wrapping_add(1).wrapping_mul(FACTOR);
        self.0 = product ^ (product >> 64);
    }
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.word(u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.word(u64::from(byte));
    }

    fn write_isize(&mut self, which: isize) {
        self.word(which.unsigned_abs() as u64);
    }

    fn write_usize(&mut self, length: usize) {
        self.word(length as u64);
    }

    fn finish(&self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }
}
