//! Lower-case hexadecimal digits without an allocation.
//!
//! Refuses nothing; a formatter would cost more than the rest of a request's bookkeeping together.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The 16 digits of `number`.
pub(super) fn of(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_those_of_the_formatter() {
        for number in [0, 1, 0xdead_beef, u64::MAX] {
            assert_eq!(super::of(number), format!("{number:016x}").as_bytes());
        }
    }
}
