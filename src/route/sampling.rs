//! Which of a route's requests are recorded one by one.
//!
//! Refuses a part that is none or more than the whole: whoever wrote it believes that something is recorded. Nothing is remembered from one
//! request to the next, so that no request waits for another.

use std::fmt;

use crate::config::access::AccessEvents;
use crate::config::{Path, Problems};

/// The part of the requests that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling(u64);

impl Sampling {
    /// None of them.
    pub const NONE: Self = Self(0);
    const ALL: Self = Self(u64::MAX);

    pub(super) fn of(typed: AccessEvents, path: &Path, problems: &mut Problems) -> Self {
        match typed {
            AccessEvents::None => Self::NONE,
            AccessEvents::All => Self::ALL,
            AccessEvents::Sample(part) if part > 0.0 && part < 1.0 => Self(threshold(part)),
            AccessEvents::Sample(part) => {
                let message = format!("`{part}` is not a part of the requests");
                problems.add(path.clone().key("sample"), message, "write a number between 0 and 1, `all`, or `none`");
                Self::NONE
            }
        }
    }

    /// Whether a request is recorded whose `number` is as likely to be one as another.
    #[must_use]
    pub const fn takes(self, number: u64) -> bool {
        self.0 == u64::MAX || number < self.0
    }
}

/// `none`, `all`, or the part.
impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::ALL => f.write_str("all"),
            Self(threshold) => write!(f, "{}", part(threshold)),
        }
    }
}

/// How many numbers there are.
const NUMBERS: f64 = 18_446_744_073_709_551_616.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "part is within 0 and 1")]
fn threshold(part: f64) -> u64 {
    (part * NUMBERS) as u64
}

#[expect(clippy::cast_precision_loss, reason = "the threshold was made from no more digits")]
fn part(threshold: u64) -> f64 {
    threshold as f64 / NUMBERS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(part: f64) -> (Sampling, bool) {
        let mut problems = Problems::default();
        let sampling = Sampling::of(AccessEvents::Sample(part), &Path::from("routes"), &mut problems);
        (sampling, problems.is_empty())
    }

    #[test]
    fn a_part_takes_that_part_of_all_numbers() {
        let (tenth, fine) = of(0.1);
        assert!(fine);
        let step = u64::MAX / 1000;
        let taken = (0..1000).filter(|place| tenth.takes(place * step)).count();
        assert!((99..=101).contains(&taken), "{taken} of 1000");
        assert!(Sampling::ALL.takes(u64::MAX) && !Sampling::NONE.takes(0));
        assert_eq!([tenth, Sampling::ALL, Sampling::NONE].map(|sampling| sampling.to_string()), ["0.1", "all", "none"]);
    }

    #[test]
    fn what_is_no_part_is_a_problem_and_records_nothing() {
        for part in [0.0, -0.5, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(of(part), (Sampling::NONE, false), "{part}");
        }
    }
}
