//! A syslog server: RFC 5424 messages by UDP, TCP or TLS.
//!
//! Refuses to call a message delivered that is only on its way, as far as the way tells: see [`stream`] and [`datagrams`]. No library: those
//! there are know only half of the facilities or write no structured data, and the format is a page long.

mod datagrams;
mod message;
mod place;
mod stream;
mod trust;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::datagrams::Datagrams;
use self::message::Form;
use self::place::Place;
use self::stream::Stream;
use self::trust::Trust;
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::config::sink::{Sink, Syslog as Typed, Way};
use crate::http_client::HttpClientError;

/// Little at once, so that a slow receiver has taken it in time.
const MOST: Most = Most { events: 500, bytes: 256 * 1024 };

/// A syslog server.
#[derive(Debug)]
pub(super) struct Syslog {
    form: Form,
    way: Connected,
}

#[derive(Debug)]
enum Connected {
    Datagrams(Datagrams),
    Stream(Arc<Stream>),
}

impl Syslog {
    /// What `typed` says, in `sink`. Reads the certificates once, so that what is wrong with them is told before the start.
    ///
    /// # Errors
    /// When the address is none, or the certificates cannot be read.
    pub(super) fn new(typed: &Typed, sink: &Sink) -> Result<Self, HttpClientError> {
        let no_place = || HttpClientError::NotAUrl(typed.url.clone());
        let url = Url::parse(&typed.url).map_err(|_| no_place())?;
        let way = Way::of(&url).ok_or_else(no_place)?;
        let place = Place::of(&url, way.usual_port()).ok_or_else(no_place)?;
        let connected = match way {
            Way::Udp => Connected::Datagrams(Datagrams::new(place)),
            Way::Tcp => Connected::Stream(Stream::new(place, typed.framing, None)),
            Way::Tls => {
                let trust = Trust { authorities: sink.ca.clone(), certificate: sink.client_certificate.clone() };
                trust.read()?;
                place.name().map_err(|_| no_place())?;
                Connected::Stream(Stream::new(place, typed.framing, Some(trust)))
            }
        };
        let form = Form {
            facility: typed.facility,
            hostname: typed.hostname.clone(),
            app_name: typed.app_name.clone(),
            structured_data: typed.structured_data.clone(),
            largest: typed.largest.unwrap_or(way.usual_length()),
        };
        Ok(Self { form, way: connected })
    }
}

#[async_trait]
impl Transport for Syslog {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let mut messages = Vec::with_capacity(batch.len());
        let mut unfit = None;
        for (place, event) in batch.iter().enumerate() {
            match self.form.message(event) {
                Ok(message) => messages.push(message),
                Err(error) => {
                    unfit = Some(SendError::refused(Some(place), error));
                    break;
                }
            }
        }
        if !messages.is_empty() {
            match &self.way {
                Connected::Datagrams(datagrams) => datagrams.send(&messages).await.map_err(SendError::later)?,
                Connected::Stream(stream) => stream.send(&messages).await.map_err(SendError::later)?,
            }
        }
        unfit.map_or(Ok(()), Err)
    }

    fn most(&self) -> Most {
        MOST
    }
}
