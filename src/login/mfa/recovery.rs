//! Recovery codes: for one use each, written down for the day the device is lost.
//!
//! Refuses to keep one: the store has digests, and a used one is gone from it.

use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::crypto::random::{self, NoRandomness};
use crate::model::{Factor, FactorKind, User};

/// Codes of one sheet.
const SHEET: usize = 10;
/// Letters of one code: 80 bits.
const LENGTH: usize = 16;
/// Crockford's: none of them is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A sheet of codes, and what the store is to keep of each.
pub(super) fn sheet(user: &User, now: Timestamp) -> Result<(Vec<String>, Vec<Factor>), NoRandomness> {
    let codes: Result<Vec<_>, _> = (0..SHEET).map(|_| one(user, now)).collect();
    Ok(codes?.into_iter().unzip())
}

/// A single code, and what the store is to keep of it: for somebody whom an administrator helps.
pub fn one(user: &User, now: Timestamp) -> Result<(String, Factor), NoRandomness> {
    let letters: Vec<char> = random::bytes::<LENGTH>()?.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    let code = letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-");
    let factor = Factor {
        id: random::alphanumeric(16)?,
        user: user.id,
        kind: FactorKind::RecoveryCode,
        name: String::new(),
        secret: digest(user, &plain(&code)).as_bytes().to_vec(),
        counter: 0,
        created_at: now,
        last_used_at: None,
    };
    Ok((code, factor))
}

/// The person's unused code that was typed; compared in constant time.
pub(super) fn find<'f>(user: &User, factors: &'f [Factor], typed: &str) -> Option<&'f Factor> {
    let typed = plain(typed);
    let wanted = (typed.len() == LENGTH).then(|| digest(user, &typed))?;
    let codes = factors.iter().filter(|factor| factor.kind == FactorKind::RecoveryCode);
    codes.into_iter().find(|factor| <[u8; 32]>::try_from(&*factor.secret).is_ok_and(|kept| Digest::from_bytes(kept) == wanted))
}

/// As it was made, however it was typed.
fn plain(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let meant = |letter| match letter {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    letters.map(meant).take(LENGTH + 1).collect()
}

fn digest(user: &User, code: &str) -> Digest {
    Digest::of_parts(&[b"recovery code", user.id.to_string().as_bytes(), code.as_bytes()])
}
