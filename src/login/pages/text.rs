//! Every word of the pages, in one place for translation.
//!
//! Refuses blame and jargon: each text says what happened and what the person can do.

use crate::model::FactorKind;

pub(in crate::login) const LANGUAGE: &str = "en";
pub(super) const UNTITLED: &str = "Sign-in";

pub(super) const SIGN_IN: &str = "Sign in";
pub(super) const SIGN_IN_NONE: &str = "No way to sign in is configured here. Programs can send an API key.";
pub(super) const EMAIL_ADDRESS: &str = "E-mail address";
pub(super) const NEXT: &str = "Continue";
pub(super) const NOT_AN_ADDRESS: &str = "This is not an e-mail address. Type it as name@example.com.";
pub(super) const NO_WAY_FOR_ADDRESS: &str = "There is no way to sign in with an address of this company. Check how it is spelt.";
pub(super) const LEAVING: &str = "One moment";
pub(super) const LEAVING_TEXT: &str = "Your company's sign-in opens now.";
pub(super) const OR: &str = "or";
pub(super) const USER_NAME: &str = "User name or e-mail";
pub(super) const PASSWORD: &str = "Password";
pub(super) const WRONG_PASSWORD: &str = "The user name or the password is wrong.";
/// What comes after "Continue with".
pub(in crate::login) const BY_MAIL: &str = "e-mail";
pub(super) const MAIL: &str = "Sign in by e-mail";
pub(super) const MAIL_TEXT: &str = "You get an e-mail with a link and a code. There is no password to remember.";
pub(super) const EMAIL: &str = "E-mail address";
pub(super) const SEND_MAIL: &str = "Send the e-mail";
pub(super) const NO_ADDRESS: &str = "This is not an e-mail address that can be written to. It looks like name@example.com.";
pub(super) const MAIL_SENT: &str = "Check your e-mail";
pub(super) const MAIL_SENT_TO: &str = "An e-mail is on its way to";
pub(super) const MAIL_SENT_IF: &str = "if somebody with this address may sign in here.";
pub(super) const CODE: &str = "Code from the e-mail";
pub(super) const NO_CODE: &str = "The code has six digits.";
pub(super) const MAIL_NOT_THERE: &str = "Nothing there after a few minutes? Look among the spam, or";
pub(super) const MAIL_AGAIN: &str = "ask again with this or another address";
pub(super) const LINK: &str = "Sign in";
pub(super) const LINK_TEXT: &str = "One more click signs you in as";
pub(super) const ELSEWHERE: &str = "Go back to where you began";
pub(super) const ELSEWHERE_TEXT: &str =
    "This browser is not the one that asked for the e-mail, so it is not signed in. Nothing was used up. You can:";
pub(super) const ELSEWHERE_LINK: &str = "open the link in the browser in which you asked for it, or";
pub(super) const ELSEWHERE_CODE: &str = "type the six digits from the e-mail into the page that is waiting for them there.";
pub(super) const ELSEWHERE_AGAIN: &str = "Begin in this browser instead";
pub(super) const INVITATION: &str = "You are invited";
pub(super) const INVITATION_FOR: &str = "This invitation is for";
pub(super) const INVITATION_TEXT: &str = "Accept it, then sign in with this address. Your account is made then.";
pub(super) const INVITATION_ACCEPT: &str = "Accept and sign in";
pub(super) const SIGN_IN_AGAIN: &str = "Sign in again";
pub(super) const SIGN_IN_OTHER: &str = "Sign in as somebody else";
pub(super) const TRY_AGAIN: &str = "Try again";
pub(super) const GO_ON: &str = "Go on";
pub(super) const GO_HOME: &str = "Go to the application";
pub(super) const REASON: &str = "Reason";
pub(super) const REQUEST: &str = "Request";
pub(super) const YOU_ARE: &str = "You are signed in as";

pub(super) const GO_ON_BY_FORM_TITLE: &str = "Go on to your identity provider";
pub(super) const GO_ON_BY_FORM: &str = "The next step is on your organisation's own page.";

pub(super) const SUPPORT: &str = "Need help?";

pub(super) const SIGN_OUT: &str = "Sign out";
pub(super) const SIGN_OUT_QUESTION: &str = "This ends your session in this browser.";
pub(super) const STAY: &str = "Stay signed in";
pub(super) const SIGNED_OUT: &str = "You are signed out";
pub(super) const SIGNED_OUT_TEXT: &str = "Your session has ended. You can close this window.";

pub(super) const SESSIONS: &str = "Where you are signed in";
pub(super) const SESSIONS_NONE: &str = "The store knows no session of yours; this one is in its cookie alone.";
pub(super) const SESSIONS_END_OTHERS: &str = "End all but this one";
pub(super) const SESSION_THIS: &str = "this browser";
pub(super) const SESSION_ADDRESS: &str = "Address";
pub(super) const SESSION_SINCE: &str = "Signed in";
pub(super) const SESSION_SEEN: &str = "Last seen";
pub(super) const SESSION_BY: &str = "By way of";
pub(super) const SESSION_END: &str = "End";
pub(super) const SESSION_END_THIS: &str = "End this browser's session";
pub(super) const AGENT_UNKNOWN: &str = "Unknown program";

pub(super) fn session_end(agent: &str) -> String {
    format!("End the session of {agent}")
}

pub(super) fn agent_on(browser: &str, system: &str) -> String {
    format!("{browser} on {system}")
}

/// How long ago something was, in words.
pub(super) fn ago(seconds: u64) -> String {
    let some = |count: u64, unit: &str| if count == 1 { format!("1 {unit} ago") } else { format!("{count} {unit}s ago") };
    match seconds {
        0..=59 => "just now".to_owned(),
        60..=3599 => some(seconds / 60, "minute"),
        3600..=86_399 => some(seconds / 3600, "hour"),
        _ => some(seconds / 86_400, "day"),
    }
}

pub(super) const DENIED: &str = "You are not allowed to go there";
pub(super) const NOT_FOUND: &str = "There is no such page";
pub(super) const NOT_FOUND_TEXT: &str = "The address does not lead anywhere. It may have been mistyped.";
pub(super) const SIGN_IN_NEEDED: &str = "Sign in first";
pub(super) const SIGN_IN_NEEDED_TEXT: &str =
    "What you sent was not passed on, because you are not signed in or your session has ended. Sign in, then send it again.";
pub(super) const CREDENTIAL_REFUSED: &str = "Your sign-in is not accepted";
pub(super) const PROGRAMS_ONLY: &str = "This address is for programs";
pub(super) const PROGRAMS_ONLY_TEXT: &str = "A session does not open it. Programs send an API key or another credential.";
pub(super) const UPSTREAM_FAILED: &str = "The application cannot be reached";
pub(super) const UPSTREAM_FAILED_TEXT: &str =
    "The front door is well, but the application behind it does not answer. Try again in a moment.";
pub(super) const UPSTREAM_SLOW: &str = "The application did not answer in time";
pub(super) const UNAVAILABLE: &str = "This cannot be checked right now";
pub(super) const UNAVAILABLE_TEXT: &str = "You have not been signed out. Try again in a moment.";
pub(super) const TOO_MANY: &str = "Too many tries";
pub(super) const MALFORMED: &str = "The request could not be understood";
pub(super) const INTERNAL: &str = "Something went wrong in the front door";
pub(super) const INTERNAL_TEXT: &str = "It is not your fault. Try again; if it stays so, tell the people who run this.";

pub(super) const SECOND_FACTOR_NEEDED: &str = "A second factor is needed";
pub(super) const SECOND_FACTOR_NEEDED_TEXT: &str =
    "Where you want to go takes more than what you signed in with: a code, a passkey or another second proof of who you are.";

pub(super) const ENROLMENT_CODE: &str =
    "To set up a second factor here you need a one-time code. Ask an administrator for one, then try again.";

pub(super) fn without_second_factor(connection: &str) -> String {
    format!("{connection} has signed you in without one. An administrator can have it ask for one.")
}

pub(super) const BREAK_GLASS: &str = "Emergency sign-in";
pub(super) const BREAK_GLASS_TEXT: &str =
    "For named administrators, on the day when nothing else works. Every use sets off an alarm.";
pub(super) const BREAK_GLASS_ADDRESS: &str = "E-mail address";
pub(super) const BREAK_GLASS_WRONG: &str = "The address, the password or the code is wrong.";

pub(super) const SECOND_FACTOR: &str = "Second factor";
pub(super) const SECOND_FACTOR_NONE: &str = "You have no second factor here. An administrator can help you.";
pub(super) const SECOND_FACTOR_SET_UP: &str = "Set up a second factor";
pub(super) const WRONG_CODE: &str = "This code is wrong, too old, or was used already.";
pub(super) const TOTP_CODE: &str = "Code from your authenticator app";
pub(super) const TOTP_NEW: &str = "Add an authenticator app";
pub(super) const TOTP_SCAN: &str = "Scan this picture with an authenticator app.";
pub(super) const TOTP_PICTURE: &str = "QR code with the secret that is written below";
pub(super) const TOTP_TYPE: &str = "If you cannot scan it, type this secret into the app:";
pub(super) const TOTP_CONFIRM: &str = "Confirm";
pub(super) const PASSKEY_NEW: &str = "Add a passkey";
pub(super) const PASSKEY_TEXT: &str =
    "Your device keeps a key for this site and uses it when you unlock it, with your finger, your face or its PIN.";
pub(super) const PASSKEY_USE: &str = "Use a passkey";
pub(super) const PASSKEY_SIGN_IN: &str = "Sign in with a passkey";
pub(super) const PASSKEY_SIGN_IN_TEXT: &str = "Your device knows who you are; there is nothing to type.";
pub(super) const PASSKEY_WRONG: &str = "This passkey is not known here, or its answer does not hold.";
pub(super) const PASSKEY_FAILED: &str = "Your browser gave no passkey. Try again, or go another way.";
pub(super) const PASSKEY_NO_SCRIPT: &str = "Passkeys need scripts, which are switched off in your browser.";
pub(super) const FACTOR_NAME: &str = "What you call it (optional)";
pub(super) const FACTOR_SINCE: &str = "Added";
pub(super) const FACTOR_USED: &str = "Last used";
pub(super) const FACTORS: &str = "Your second factors";
pub(super) const FACTORS_NONE: &str = "You have none yet.";
pub(super) const RECOVERY_CODE: &str = "Recovery code";
pub(super) const RECOVERY_INSTEAD: &str = "Use a recovery code, or one from an administrator";
pub(super) const RECOVERY_NEW: &str = "Make new recovery codes";
pub(super) const RECOVERY_SHOWN: &str =
    "Keep these codes where you find them without your device. Each works once, and they are not shown again.";
pub(super) const REMOVE: &str = "Remove";
pub(super) const CANCEL: &str = "Cancel";

pub(super) fn recovery_left(codes: usize) -> String {
    match codes {
        0 => "You have no recovery codes for the day you lose your device.".to_owned(),
        1 => "You have one recovery code left.".to_owned(),
        codes => format!("You have {codes} unused recovery codes."),
    }
}

pub(super) fn remove_factor(name: &str) -> String {
    format!("Remove {name}")
}

pub(super) fn factor_kind(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "Authenticator app",
        FactorKind::Passkey => "Passkey",
        FactorKind::RecoveryCode => RECOVERY_CODE,
    }
}

/// Why somebody who is known may not pass, by the policy's reason.
pub(super) fn denial(reason: &str) -> &'static str {
    match reason {
        "closed" => "Nobody may go there.",
        "network" => "It may not be reached from the network you are in.",
        "tenant" => "It belongs to another organisation.",
        "foreign_host" => "You are signed in to another organisation. Sign in to this one to go on.",
        "role" => "It needs a role that you do not have.",
        "group" => "It is for a group that you are not in.",
        "scope" => "It needs a permission that you do not have.",
        "second_factor" => "It needs a sign-in with a second factor.",
        "sign_in_too_old" => "It needs a more recent sign-in.",
        _ => "The rules do not let you pass.",
    }
}

/// Heading and explanation of a failed sign-in, by its reason.
pub(super) fn failure(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "unknown_connection" => ("There is no such way to sign in", "The address names one that is not configured here."),
        "repeated_parameter" => ("The answer cannot be read", "A part of it was sent more than once. Begin again."),
        "address_too_long" => (
            "Sign in first, then open this address again",
            "It is too long to be kept while you sign in. The button leads to the front page; keep the address until then.",
        ),
        "stale_attempt" => (
            "This sign-in cannot be finished",
            "It took too long, was already used, or was begun in another browser. If this happens every time, allow cookies for this site.",
        ),
        "no_cookies" => (
            "No cookie arrived",
            "Signing in needs cookies, and your browser sent none: allow them for this site. If they are allowed, this page was opened in another browser or window than the one you began in; begin again here.",
        ),
        "redirect_loop" => (
            "You are being sent in circles",
            "You were signed in several times within seconds, and each time sent to sign in again, so this was stopped. Either the application asks for a sign-in that has just happened, or your browser does not keep the session's cookie, or the clocks of the two sides disagree.",
        ),
        "foreign_form" => ("Send this form again", "It was out of date, or did not come from this site. Nothing was done."),
        "mix_up" => {
            ("This answer is for another sign-in", "It does not belong to the identity provider that you went to. Begin again.")
        }
        "provider_unreachable" => (
            "The identity provider cannot be reached",
            "Signing in needs it. It may be down for a moment; people who are signed in are not affected.",
        ),
        "provider_refused" => ("The identity provider did not sign you in", "Its reason is below."),
        "provider_setup" => (
            "The identity provider does not know this application",
            "Its settings do not fit: tell the people who run this what is written below.",
        ),
        "saml_unsolicited" => (
            "Begin here",
            "This application does not take sign-ins that begin at the identity provider. Use the button: it leads to the same place.",
        ),
        "id_token_times" | "saml_expired" | "saml_not_yet_valid" => (
            "The clocks disagree",
            "The identity provider's answer is for another time. If it stays so, tell the people who run this what is written below.",
        ),
        "no_account" => (
            "We couldn't find your account",
            "You are known to your identity provider, but nobody has made an account for you here. Ask an administrator to add or invite you. If you were invited, open the link in the invitation first.",
        ),
        "inactive" => ("Your account is switched off", "An administrator can switch it on again."),
        "foreign_address" => (
            "This e-mail address does not belong here",
            "The identity provider gave no verified address, or one that this way of signing in does not serve.",
        ),
        "no_factors_here" => (
            "Your second factors are not kept here",
            "The identity provider that signed you in asks for them. Change them there.",
        ),
        "no_enrolment_code" => ("A one-time code is needed first", ENROLMENT_CODE),
        "session_too_large" => (
            "Your session does not fit into a cookie",
            "Your identity provider named too many groups. Tell the people who run this: they can have fewer sent, or keep sessions in the store.",
        ),
        "spent_link" => (
            "This link or code is of no more use",
            "It was used already, is too old, or was tried too often. Ask for a new e-mail; it takes a moment.",
        ),
        "spent_invitation" => (
            "This invitation is of no more use",
            "It was used already, was withdrawn, or is too old. If you have an account, sign in; if not, ask for a new invitation.",
        ),
        "no_passkeys" => {
            ("No more passkeys here", "Browsers do none at this address, or you have as many as there is place for.")
        }
        "locked" => ("Too many tries", "Wait before you try again. Nothing is lost."),
        "busy" => ("Too many people are signing in", "Try again in a moment."),
        "unavailable" => ("Signing in is not possible right now", "Try again in a moment. Nobody was signed out."),
        "internal" => (INTERNAL, INTERNAL_TEXT),
        _ => (
            "The identity provider's answer does not hold",
            "It could not be proved to be genuine, so it was not taken. Begin again; if it stays so, tell the people who run this what is written below.",
        ),
    }
}

/// By how much the clocks differ, in words. `ahead`: seconds by which the provider's is ahead of ours.
pub(super) fn clocks(ahead: i64) -> String {
    match ahead {
        -5..=5 => "The clocks of the identity provider and of this server agree to within seconds.".to_owned(),
        6.. => format!("The identity provider's clock is {} ahead of this server's.", span(ahead.unsigned_abs())),
        _ => format!("The identity provider's clock is {} behind this server's.", span(ahead.unsigned_abs())),
    }
}

fn span(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", (seconds + 30) / 60) }
}

/// How long to wait, in words.
pub(super) fn wait(seconds: u64) -> String {
    match seconds {
        0..=1 => "Wait a second.".to_owned(),
        2..=90 => format!("Wait {seconds} seconds."),
        _ => format!("Wait {} minutes.", seconds.div_ceil(60)),
    }
}

pub(super) fn continue_with(name: &str) -> String {
    format!("Continue with {name}")
}

pub(super) fn mail_sent_how(minutes: u64) -> String {
    format!("Open its link in this browser, or type its code here. Both are good for {}.", minutes_of(minutes))
}

pub(super) fn wrong_code(left: u32) -> String {
    let tries = if left == 1 { "one more try".to_owned() } else { format!("{left} more tries") };
    format!("The code is wrong. You have {tries}.")
}

fn minutes_of(minutes: u64) -> String {
    match minutes {
        0 | 1 => "a minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

/// Words of the page with one's own keys.
pub(super) mod keys {
    pub(in crate::login::pages) const KEYS: &str = "Your API keys";
    pub(in crate::login::pages) const NONE: &str = "You have no keys.";
    pub(in crate::login::pages) const NEW: &str = "Make a key";
    pub(in crate::login::pages) const MAKE: &str = "Make the key";
    pub(in crate::login::pages) const NAME: &str = "What it is for";
    pub(in crate::login::pages) const ROLES: &str = "Roles it has, of yours";
    pub(in crate::login::pages) const SCOPES: &str = "What it may do, of what you may";
    pub(in crate::login::pages) const OTHER_SCOPES: &str = "Narrower permissions, such as api:read (optional)";
    pub(in crate::login::pages) const NETWORKS_WANTED: &str = "Networks it works from, such as 192.0.2.0/24 (optional)";
    pub(in crate::login::pages) const EXPIRES_WANTED: &str = "How long it works";
    pub(in crate::login::pages) const HOW_TO_SEND: &str = "Programs send it in the header X-Api-Key, or as a Bearer token.";
    pub(in crate::login::pages) const STEP_UP: &str =
        "To make a key or a new secret, sign in again: your sign-in was a while ago, or without a second factor.";
    pub(in crate::login::pages) const ID: &str = "Id";
    pub(in crate::login::pages) const MAY: &str = "May";
    pub(in crate::login::pages) const NOTHING: &str = "nothing of its own";
    pub(in crate::login::pages) const NETWORKS: &str = "From";
    pub(in crate::login::pages) const CREATED: &str = "Made";
    pub(in crate::login::pages) const EXPIRES: &str = "Works until";
    pub(in crate::login::pages) const EXPIRED: &str = "expired";
    pub(in crate::login::pages) const USED: &str = "Last used";
    pub(in crate::login::pages) const NEVER: &str = "never";
    pub(in crate::login::pages) const PREVIOUS: &str = "Old secret until";
    pub(in crate::login::pages) const ADMINISTERED: &str = "An administrator made this key for you.";
    pub(in crate::login::pages) const ROTATE: &str = "New secret";
    pub(in crate::login::pages) const REVOKE: &str = "Revoke";

    pub(in crate::login::pages) fn shown_once(name: &str) -> String {
        format!("This is the secret of {name}. It is shown this once: copy it now.")
    }

    pub(in crate::login::pages) fn rotate(name: &str) -> String {
        format!("New secret for {name}; the old one works for a day yet")
    }

    pub(in crate::login::pages) fn revoke(name: &str) -> String {
        format!("Revoke {name}, for ever")
    }

    pub(in crate::login::pages) fn days(days: u64) -> String {
        if days == 1 { "a day".to_owned() } else { format!("{days} days") }
    }

    pub(in crate::login::pages) fn hours(hours: u64) -> String {
        if hours == 1 { "an hour".to_owned() } else { format!("{hours} hours") }
    }
}

/// Words of letters.
pub(in crate::login) mod letter {
    pub(in crate::login) const SIGN_IN_BUTTON: &str = "Sign in";
    pub(in crate::login) const CODE_LEAD: &str = "Or type this code into the page that is waiting for it:";
    pub(in crate::login) const SAME_BROWSER: &str = "The link works in the browser in which you asked for it, and once.";
    pub(in crate::login) const NOT_ASKED: &str =
        "If it was not you, do nothing: nobody gets in without this e-mail. Never tell anybody the code, whoever asks for it.";
    pub(in crate::login) const INVITATION_BUTTON: &str = "See the invitation";
    pub(in crate::login) const NOT_EXPECTED: &str =
        "If you do not know what this is about, do nothing: no account is made unless you accept.";
    pub(in crate::login) const BUTTON_DEAD: &str = "If the button does nothing, copy this address into your browser:";

    pub(in crate::login) fn sign_in_subject(title: &str) -> String {
        format!("Sign in to {title}")
    }

    pub(in crate::login) fn sign_in(title: &str) -> String {
        format!("Use this link to sign in to {title}:")
    }

    pub(in crate::login) fn good_for(minutes: u64) -> String {
        format!("Both are good for {}.", super::minutes_of(minutes))
    }

    pub(in crate::login) fn asked_from(address: &str, moment: &str) -> String {
        format!("Asked for from {address} at {moment}.")
    }

    pub(in crate::login) fn invitation_subject(title: &str) -> String {
        format!("You are invited to {title}")
    }

    pub(in crate::login) fn invited(title: &str) -> String {
        format!("Somebody who runs {title} has invited you to have an account there.")
    }

    pub(in crate::login) fn good_until(moment: &str) -> String {
        format!("The invitation is good until {moment}, for this address only.")
    }
}
