//! The change feed on the server: a stream of what caches must forget, each entry naming the one before it.
//!
//! Refuses to be read with a gap that nobody notices: whoever has not seen the entry that the next one names has missed something.
//! It is written by the scripts that make the changes (see [`ANNOUNCE`]), because a change nobody hears of is a revocation that does
//! not work.

use redis::cmd;

use super::line::Line;
use super::{Unavailable, read};
use crate::crypto::Digest;
use crate::model::Change;

/// A function for scripts, `announce(kind, key)`, and `told`, the keys that it was told of. Entries are kept for a week, and 10,000 of them or a few more.
pub const ANNOUNCE: &str = "\
local told = {}
local function announce(kind, key)
  table.insert(told, key)
  local feed = 'doorward:changes'
  local last = redis.call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
  redis.call('XADD', feed, 'MAXLEN', '~', 10000, '*', 'after', last and last[1] or '0-0', 'kind', kind, 'key', key)
  redis.call('PEXPIRE', feed, 604800000)
end
";
/// The stream's key.
const FEED: &str = "doorward:changes";

/// Where in the stream an entry is: the server's milliseconds and a number among those of the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64, u64);

/// One entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub place: Place,
    /// The entry before it.
    pub after: Place,
    pub change: Change,
}

/// The place of the newest entry; the beginning where there is none.
pub(crate) async fn newest(line: &Line) -> Result<Place, Unavailable> {
    let entries = read(line.ask(cmd("XREVRANGE").arg(FEED).arg("+").arg("-").arg("COUNT").arg(1)).await?)?;
    Ok(understand(entries).first().map(|entry| entry.place).unwrap_or_default())
}

/// The entries after `seen`, in order, at most `limit`; none after `patience` milliseconds without one.
pub(crate) async fn after(line: &Line, seen: Place, limit: u32, patience: u32) -> Result<Vec<Entry>, Unavailable> {
    let mut command = cmd("XREAD");
    command.arg("COUNT").arg(limit).arg("BLOCK").arg(patience).arg("STREAMS").arg(FEED).arg(format!("{}-{}", seen.0, seen.1));
    let streams: Option<Vec<(String, Entries)>> = read(line.ask(&command).await?)?;
    Ok(streams.into_iter().flatten().flat_map(|(_, entries)| understand(entries)).collect())
}

type Entries = Vec<(String, Vec<(String, String)>)>;

fn understand(entries: Entries) -> Vec<Entry> {
    entries.into_iter().map(|(place, fields)| entry(&place, &fields)).collect()
}

/// What this version does not understand is a reason to forget everything.
fn entry(place: &str, fields: &[(String, String)]) -> Entry {
    let field = |name: &str| fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str());
    let change = match field("kind") {
        "session" => Digest::from_hex(field("key")).map(Change::Session),
        _ => None,
    };
    Entry {
        place: Place::read(place).unwrap_or_default(),
        after: Place::read(field("after")).unwrap_or_default(),
        change: change.unwrap_or(Change::Everything),
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (moment, number) = text.split_once('-')?;
        Some(Self(moment.parse().ok()?, number.parse().ok()?))
    }
}
