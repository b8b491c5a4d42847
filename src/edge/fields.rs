//! Looking up the fields of a head.
//!
//! Refuses nothing. A head has a handful of fields and is asked two dozen questions, most of which are answered no: comparing a few
//! names costs a fraction of hashing one, and their number is bounded (threats D7).

use http::{HeaderMap, HeaderName, HeaderValue};

/// Whether there is a field of this name.
#[must_use]
pub fn holds(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|known| known == name)
}

/// All values of the field, in their order.
pub fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> + use<'a> {
    // Most fields that are asked for are not there.
    let found = holds(headers, name).then(|| headers.get_all(name).iter());
    found.into_iter().flatten()
}

/// The first value of the field.
#[must_use]
pub fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    if holds(headers, name) { headers.get(name) } else { None }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn a_field_is_found_with_all_its_values_whatever_stands_around_it() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("a"));
        headers.append("x-custom", HeaderValue::from_static("1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b"));
        headers.append("x-custom", HeaderValue::from_static("2"));
        let custom = HeaderName::from_static("x-custom");
        assert_eq!(values(&headers, &custom).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(first(&headers, &custom).map(HeaderValue::as_bytes), Some(&b"1"[..]));
        assert!(holds(&headers, &header::COOKIE) && !holds(&headers, &header::EXPECT));
        assert_eq!(values(&headers, &header::EXPECT).count(), 0);
        assert_eq!(first(&headers, &header::EXPECT), None);
    }
}
