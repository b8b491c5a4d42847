//! What people should know about issuers of tokens before they rely on them.
//!
//! Refuses nothing: whether an issuer tells of second factors is seen in its tokens, and none is there when the configuration is read.

use crate::config::access::Bearer;
use crate::config::{Config, Path, Problems, SecondFactor};

/// Where people need a second factor, their tokens have to prove one, and not every issuer says a word about it.
pub(super) fn advise(config: &Config, advice: &mut Problems) {
    let everybody = config.sign_in.mfa == SecondFactor::Required || !config.roles.mfa.is_empty();
    let tenant = |bearer: &Bearer| config.tenant(&bearer.tenant).is_some_and(|tenant| tenant.mfa == SecondFactor::Required);
    for (index, bearer) in config.bearer.iter().enumerate() {
        if (everybody || tenant(bearer)) && bearer.mfa.is_none() && !bearer.programs_only {
            let message = "people's tokens of this issuer have to prove a second factor by `amr` or `acr` where people need one";
            let hint =
                "`mfa` says in which words, `mfa: {}` is the usual ones; `programs_only: true` if no person has its tokens";
            advice.add(Path::from("bearer").item(index), message, hint);
        }
    }
}
