//! The scripts: each a change that the server makes whole or not at all.
//!
//! Refuses to be put together from what people type: values are arguments, and the texts are constant. They are sent in full each
//! time, because a server that was restarted knows none of them.

use redis::{Cmd, ToRedisArgs, cmd};

use crate::valkey::changes::ANNOUNCE;

const SHARED: &str = include_str!("scripts/shared.lua");

pub(super) const CREATE: &str = include_str!("scripts/create.lua");
pub(super) const FIND_HANDLE: &str = "local key = key_of(ARGV[1]) return key and redis.call('HGETALL', key) or {}";
pub(super) const TOUCH: &str = include_str!("scripts/touch.lua");
pub(super) const END: &str = include_str!("scripts/end.lua");
pub(super) const END_ALL: &str = include_str!("scripts/end_all.lua");
pub(super) const FORGET_USER: &str = include_str!("scripts/forget_user.lua");
pub(super) const END_NAMED: &str = include_str!("scripts/end_named.lua");
pub(super) const TAKE_ONCE: &str = "return take_once(ARGV[1], ARGV[2], ARGV[3]) and 1 or 0";
pub(super) const LEASE_REFRESH: &str = include_str!("scripts/lease_refresh.lua");
pub(super) const REPLACE_TOKENS: &str = include_str!("scripts/replace_tokens.lua");
pub(super) const LIST: &str = include_str!("scripts/list.lua");
pub(super) const OVERDUE: &str = include_str!("scripts/overdue.lua");
pub(super) const PURGE: &str = include_str!("scripts/purge.lua");

/// The command that runs `script` with these arguments. Its answer is what the script returns, and the sessions of which it was announced
/// that they changed.
pub(super) fn run(script: &str, arguments: impl ToRedisArgs) -> Cmd {
    let mut command = cmd("EVAL");
    let whole = [ANNOUNCE, SHARED, "local function work()\n", script, "\nend\nlocal answer = work()\nreturn { answer, told }"];
    command.arg(whole.concat()).arg(0).arg(arguments);
    command
}
