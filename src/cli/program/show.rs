//! Keys and clients as text.
//!
//! Refuses nothing: what it prints holds no secret.

use crate::cli::table::{Table, facts, listed, or_dash};
use crate::clock::Timestamp;
use crate::model::Program;

/// What becomes of it when it is presented.
fn state(program: &Program, now: Timestamp) -> &'static str {
    if program.revoked_at.is_some() {
        "revoked"
    } else if program.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else if live_secrets(program, now) > 1 {
        "rotating"
    } else {
        "live"
    }
}

fn live_secrets(program: &Program, now: Timestamp) -> usize {
    program.secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| end > now)).count()
}

pub(super) fn list(programs: &[Program], now: Timestamp) -> Table {
    let mut table = Table::new(&["ID", "STATE", "NAME", "ROLES", "SCOPES", "EXPIRES", "LAST USED"]);
    for program in programs {
        table.row([
            program.id.clone(),
            state(program, now).to_owned(),
            program.name.clone(),
            listed(&program.roles),
            listed(&program.scopes),
            or_dash(program.expires_at),
            or_dash(program.last_used_at),
        ]);
    }
    table
}

pub(super) fn one(program: &Program, now: Timestamp) -> String {
    let old = program.secrets.get(1).and_then(|secret| secret.expires_at).filter(|end| *end > now);
    facts([
        ("id", program.id.clone()),
        ("state", state(program, now).to_owned()),
        ("name", program.name.clone()),
        ("tenant", program.tenant.to_string()),
        ("owner", or_dash(program.owner)),
        ("roles", listed(&program.roles)),
        ("scopes", listed(&program.scopes)),
        ("networks", listed(&program.networks)),
        ("created", program.created_at.to_string()),
        ("expires", or_dash(program.expires_at)),
        ("revoked", or_dash(program.revoked_at)),
        ("last used", or_dash(program.last_used_at)),
        ("secret since", or_dash(program.secrets.first().map(|secret| secret.created_at))),
        ("old secret until", or_dash(old)),
    ])
}
