//! The file in which events wait: a ring of numbered records, the oldest first.
//!
//! Refuses to grow, and to trust what it reads: its room is taken when it is made, so that a full disk does not matter, and a record that a
//! crash cut short ends what there is. No database, no library: those at hand take room as they go, or need a sync for each record.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::FallocateFlags;

/// Where records begin; before it, the two places where the head is written by turns.
const START: u64 = 4096;
const SLOTS: [u64; 2] = [0, 2048];
const MAGIC: &[u8; 8] = b"doorwrd1";
/// Magic, checksum, turn, offset, number.
const SLOT: usize = 36;
/// Length and checksum of a record.
const FRAME: usize = 8;
/// In place of a length: the next record is at the start.
const TURN_ROUND: u32 = u32::MAX;
/// The longest record.
pub(super) const LONGEST: usize = 256 * 1024;

/// Where a record is, and which one: numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    offset: u64,
    number: u64,
}

/// An open file. Whoever opens it holds its lock.
#[derive(Debug)]
pub(super) struct Ring {
    file: File,
    /// Bytes for records.
    room: u64,
    /// Bytes from head to tail.
    used: u64,
    head: Place,
    tail: Place,
    /// How often the head was written.
    turn: u64,
    /// Bytes from the start that were written since it was last empty.
    touched: u64,
}

impl Ring {
    /// Takes what `file` holds, and room for `bytes`; an error of the disk, but not that it has too little room: that is told by the flag.
    pub(super) fn open(file: File, bytes: u64) -> io::Result<(Self, bool)> {
        let length = file.metadata()?.len();
        let room = bytes.saturating_sub(START).max(2 * LONGEST as u64);
        let whole = START + room;
        let reserved = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, whole).is_ok();
        if length < whole && !reserved {
            file.set_len(whole)?;
        }
        let (turn, head) = newest_head(&file)?.unwrap_or((0, Place { offset: 0, number: 1 }));
        // A file that was larger is emptied as it is.
        let room = room.max(length.saturating_sub(START));
        let mut ring = Self { file, room, used: 0, head, tail: head, turn, touched: 0 };
        while let Some((_, next, span)) = ring.record(ring.tail)? {
            if ring.used + span > ring.room {
                break;
            }
            ring.used += span;
            ring.tail = next;
        }
        if ring.used > 0 || ring.head.offset > 0 {
            ring.touched = ring.room;
        }
        Ok((ring, reserved))
    }

    /// How many records wait.
    pub(super) const fn len(&self) -> u64 {
        self.tail.number - self.head.number
    }

    /// The number after the last record's.
    pub(super) const fn end(&self) -> u64 {
        self.tail.number
    }

    /// Writes as many of `records`, in order, as there is room for; says how many. What it wrote survives this process at once.
    pub(super) fn push(&mut self, records: &[Vec<u8>]) -> io::Result<usize> {
        let (mut tail, mut used, mut kept) = (self.tail, self.used, 0);
        let (mut bytes, mut begin) = (Vec::new(), tail.offset);
        for record in records {
            let span = (FRAME + record.len()) as u64;
            let rest = self.room - tail.offset;
            let turn = span > rest;
            let skipped = if turn { rest } else { 0 };
            if record.len() > LONGEST || used + skipped + span > self.room {
                break;
            }
            if turn {
                if skipped >= FRAME as u64 {
                    frame(&mut bytes, TURN_ROUND, tail.number, &[]);
                }
                self.write(begin, &bytes)?;
                bytes.clear();
                (begin, tail.offset) = (0, 0);
            }
            let length = u32::try_from(record.len()).unwrap_or(TURN_ROUND);
            frame(&mut bytes, length, tail.number, record);
            tail = Place { offset: tail.offset + span, number: tail.number + 1 };
            used += skipped + span;
            kept += 1;
        }
        self.write(begin, &bytes)?;
        (self.tail, self.used) = (tail, used);
        Ok(kept)
    }

    /// The oldest records, at most `most`.
    pub(super) fn oldest(&self, most: usize) -> io::Result<Vec<Vec<u8>>> {
        let (mut records, mut place) = (Vec::new(), self.head);
        while records.len() < most && place.number < self.tail.number {
            // What was written is there, or the disk is damaged.
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a record of the journal is damaged");
            let (record, next, _) = self.record(place)?.ok_or_else(damaged)?;
            records.push(record);
            place = next;
        }
        Ok(records)
    }

    /// Takes the oldest `count` records out. What they held is overwritten when nothing waits any more, or others take their place.
    pub(super) fn take(&mut self, count: usize) -> io::Result<()> {
        let (mut head, mut used) = (self.head, self.used);
        for _ in 0..count {
            let Some((next, span)) = self.after(head)? else { break };
            (head, used) = (next, used.saturating_sub(span));
        }
        if head.number == self.tail.number {
            (head.offset, used) = (0, 0);
        }
        self.write_head(head)?;
        (self.head, self.used) = (head, used);
        if used == 0 {
            self.tail = head;
            self.clean()?;
        }
        Ok(())
    }

    /// Gives up what waits: it cannot be read.
    pub(super) fn abandon(&mut self) -> io::Result<()> {
        let head = Place { offset: 0, number: self.tail.number };
        self.write_head(head)?;
        (self.head, self.tail, self.used) = (head, head, 0);
        self.clean()
    }

    /// A second handle, to sync by while this one is written to.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Overwrites what was written since the last time: it tells of people.
    fn clean(&mut self) -> io::Result<()> {
        let zeros = [0; 16 * 1024];
        let mut at = 0;
        // The file system can do it without writing, where it knows how; the room stays taken.
        let many = self.touched > zeros.len() as u64;
        if many && rustix::fs::fallocate(&self.file, FallocateFlags::ZERO_RANGE, START, self.touched).is_ok() {
            at = self.touched;
        }
        while at < self.touched {
            let length = usize::try_from(self.touched - at).unwrap_or(usize::MAX).min(zeros.len());
            self.file.write_all_at(&zeros[..length], START + at)?;
            at += length as u64;
        }
        self.touched = 0;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.touched = self.touched.max(offset + bytes.len() as u64);
        self.file.write_all_at(bytes, START + offset)
    }

    fn write_head(&mut self, head: Place) -> io::Result<()> {
        let turn = self.turn + 1;
        let mut said = [0; SLOT];
        said[..8].copy_from_slice(MAGIC);
        said[12..20].copy_from_slice(&turn.to_le_bytes());
        said[20..28].copy_from_slice(&head.offset.to_le_bytes());
        said[28..].copy_from_slice(&head.number.to_le_bytes());
        let sum = crc32fast::hash(&said[12..]);
        said[8..12].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&said, SLOTS[usize::from(turn % 2 == 1)])?;
        self.turn = turn;
        Ok(())
    }

    /// The record at `place`, where the next one is, and how many bytes there are in between; `None` if there is no such record.
    fn record(&self, place: Place) -> io::Result<Option<(Vec<u8>, Place, u64)>> {
        let rest = self.room - place.offset;
        if rest < FRAME as u64 {
            return self.record_at_start(place, rest);
        }
        let mut framing = [0; FRAME];
        self.file.read_exact_at(&mut framing, START + place.offset)?;
        let (length, sum) = parts(framing);
        if length == TURN_ROUND && sum == checksum(TURN_ROUND, place.number, &[]) && place.offset > 0 {
            return self.record_at_start(place, rest);
        }
        let span = FRAME as u64 + u64::from(length);
        if length as usize > LONGEST || span > rest {
            return Ok(None);
        }
        let mut record = vec![0; length as usize];
        self.file.read_exact_at(&mut record, START + place.offset + FRAME as u64)?;
        let next = Place { offset: place.offset + span, number: place.number + 1 };
        Ok((sum == checksum(length, place.number, &record)).then_some((record, next, span)))
    }

    fn record_at_start(&self, place: Place, skipped: u64) -> io::Result<Option<(Vec<u8>, Place, u64)>> {
        if place.offset == 0 {
            return Ok(None);
        }
        let found = self.record(Place { offset: 0, number: place.number })?;
        Ok(found.map(|(record, next, span)| (record, next, span + skipped)))
    }

    fn after(&self, place: Place) -> io::Result<Option<(Place, u64)>> {
        Ok(self.record(place)?.map(|(_, next, span)| (next, span)))
    }
}

fn frame(bytes: &mut Vec<u8>, length: u32, number: u64, record: &[u8]) {
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(length, number, record).to_le_bytes());
    bytes.extend_from_slice(record);
}

/// Over the number, too: what is left of an older record is none.
fn checksum(length: u32, number: u64, record: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&length.to_le_bytes());
    sum.update(&number.to_le_bytes());
    sum.update(record);
    sum.finalize()
}

fn parts(framing: [u8; FRAME]) -> (u32, u32) {
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| framing[at + byte]));
    (number(0), number(4))
}

/// The head that was written last and whole.
fn newest_head(file: &File) -> io::Result<Option<(u64, Place)>> {
    let mut newest: Option<(u64, Place)> = None;
    for slot in SLOTS {
        let mut said = [0; SLOT];
        file.read_exact_at(&mut said, slot)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| said[at + byte]));
        let sum = u32::from_le_bytes(std::array::from_fn(|byte| said[8 + byte]));
        if said.starts_with(MAGIC) && sum == crc32fast::hash(&said[12..]) {
            let found = (number(12), Place { offset: number(20), number: number(28) });
            newest = newest.filter(|(turn, _)| *turn > found.0).or(Some(found));
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs::OpenOptions;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const BYTES: u64 = START + 2 * LONGEST as u64;

    fn open(path: &Path) -> Ring {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        Ring::open(file, BYTES).unwrap().0
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<usize>),
        Take(usize),
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop::collection::vec(0..90_000_usize, 1..6).prop_map(Step::Push),
            4 => (1..8_usize).prop_map(Step::Take),
            1 => Just(Step::Reopen),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_went_in_comes_out_in_order_whatever_happens_in_between(steps in prop::collection::vec(step(), 1..60)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ring");
            let (mut ring, mut model, mut count) = (open(&path), VecDeque::new(), 0_usize);
            for step in steps {
                match step {
                    Step::Push(lengths) => {
                        let records: Vec<Vec<u8>> = lengths
                            .iter()
                            .enumerate()
                            .map(|(place, length)| vec![u8::try_from((count + place) % 251).unwrap(); *length])
                            .collect();
                        let kept = ring.push(&records).unwrap();
                        let waiting: usize = model.iter().map(Vec::len).sum();
                        prop_assert!(kept > 0 || waiting + records[0].len() > LONGEST - 100, "half of the room can always be used");
                        count += kept;
                        model.extend(records.into_iter().take(kept));
                    }
                    Step::Take(most) => {
                        let taken = ring.oldest(most).unwrap();
                        prop_assert_eq!(&taken, &model.iter().take(most).cloned().collect::<Vec<_>>());
                        ring.take(taken.len()).unwrap();
                        model.drain(..taken.len());
                    }
                    Step::Reopen => ring = open(&path),
                }
                prop_assert_eq!(usize::try_from(ring.len()).unwrap(), model.len());
            }
            ring = open(&path);
            prop_assert_eq!(ring.oldest(usize::MAX).unwrap(), Vec::from(model));
        }
    }

    #[test]
    fn a_record_cut_short_ends_what_there_is_and_the_next_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = open(&path);
        ring.push(&[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]).unwrap();
        let last = START + ring.tail.offset - 1;
        ring.file.write_all_at(b"?", last).unwrap();
        let mut ring = open(&path);
        assert_eq!(ring.oldest(9).unwrap(), [b"one", b"two"]);
        ring.push(&[b"four".to_vec()]).unwrap();
        assert_eq!(open(&path).oldest(9).unwrap(), [b"one".to_vec(), b"two".to_vec(), b"four".to_vec()]);
    }

    #[test]
    fn a_head_cut_short_is_the_one_before_and_what_was_taken_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = open(&path);
        ring.push(&[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]).unwrap();
        ring.take(1).unwrap();
        ring.take(1).unwrap();
        let slot = SLOTS[usize::from(ring.turn % 2 == 1)];
        ring.file.write_all_at(b"?", slot + 14).unwrap();
        assert_eq!(open(&path).oldest(9).unwrap(), [b"two".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn what_was_taken_is_not_left_in_the_file_and_its_room_is_taken_before() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = open(&path);
        let about = std::fs::metadata(&path).unwrap();
        assert!(about.blocks() * 512 >= BYTES, "{} of {BYTES} bytes are taken", about.blocks() * 512);
        ring.push(&[b"ada@acme.example".to_vec()]).unwrap();
        ring.take(1).unwrap();
        let left = std::fs::read(&path).unwrap();
        assert!(!left.windows(4).any(|bytes| bytes == b"acme") && left.len() as u64 == BYTES);
    }

    #[test]
    fn a_full_ring_takes_no_more_until_something_was_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut ring = open(&folder.path().join("ring"));
        let records = vec![vec![7; 100_000]; 9];
        assert_eq!(ring.push(&records).unwrap(), 5);
        assert_eq!(ring.push(&records[..1]).unwrap(), 0);
        ring.take(1).unwrap();
        assert_eq!(ring.push(&records[..1]).unwrap(), 1);
        assert_eq!(ring.len(), 5);
    }
}
