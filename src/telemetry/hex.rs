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

/// The bytes that `digits`, of which there are twice as many, stand for; what is no digit counts as 0.
pub(super) fn read<const N: usize>(digits: &[u8]) -> [u8; N] {
    let value = |digit: &u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |sum, digit| sum << 4 | value(digit));
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_those_of_the_formatter() {
        for number in [0, 1, 0xdead_beef, u64::MAX] {
            assert_eq!(super::of(number), format!("{number:016x}").as_bytes());
            assert_eq!(u64::from_be_bytes(super::read(&super::of(number))), number);
        }
    }
}
