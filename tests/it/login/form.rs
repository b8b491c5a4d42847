//! Forms on the pages that lead from a provider to the door and back, and what a browser does with them.

use super::house::Person;
use crate::support::Answer;

/// A form that a page holds: where it goes, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of the page at `url`.
    #[track_caller]
    pub(super) fn of(url: &str, page: &str) -> Self {
        let begin = page.find("<form").unwrap_or_else(|| panic!("no form at {url}: {page}"));
        let end = page[begin..].find("</form>").map_or(page.len(), |end| begin + end);
        let form = &page[begin..end];
        let action = attribute(&form[..form.find('>').unwrap()], "action").unwrap_or_default();
        let hidden = form.split("<input").skip(1).map(|part| &part[..part.find('>').unwrap_or(part.len())]);
        let hidden = hidden.filter(|input| input.contains("hidden"));
        let fields = hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())));
        Self { action: url::Url::parse(url).unwrap().join(&action).unwrap().into(), fields: fields.collect() }
    }

    pub(super) fn field(&self, name: &str) -> &str {
        &self.fields.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(found, _)| found != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Posts it as a browser does for another site's page.
    #[track_caller]
    pub(super) fn post(&self, person: &Person) -> Answer {
        let fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        person.post(&self.action, &fields, &["Origin: http://127.0.0.1", "Sec-Fetch-Site: cross-site"])
    }
}

/// An attribute of a tag, as it is meant.
pub(super) fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let value = &tag[at..at + tag[at..].find('"')?];
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&#039;", "'")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}
