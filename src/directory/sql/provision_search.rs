//! From a condition to a statement: the text is put together of our own words, what is compared with is bound.
//!
//! Refuses to write a value into the text, whatever it is (threats K3).

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::super::search::{Column, Condition, Multiple, Order, OrderBy, Test, Within};
use super::walk::Place;
use crate::db::{Query, query};

/// What is bound.
enum Bound {
    Text(String),
    Integer(i64),
    Truth(bool),
}

/// A statement in the making.
pub(super) struct Sql {
    text: String,
    bound: Vec<Bound>,
}

/// Whose columns are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    People,
    Groups,
}

impl Of {
    /// The column; always of the table called `t`.
    const fn column(self, column: Column) -> &'static str {
        match (self, column) {
            (_, Column::Id) => "t.id",
            (_, Column::Name) => "t.folded_name",
            (_, Column::ExternalId) => "t.external_id",
            (Self::People, Column::Active) => "t.wanted_active",
            (Self::Groups, Column::Active) => "NULL",
            (_, Column::Created) => "t.created_at",
            (_, Column::Modified) => "t.updated_at",
        }
    }
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), bound: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes the next placeholder; what it stands for is bound.
    pub(super) fn text(&mut self, value: impl Into<String>) {
        self.bind(Bound::Text(value.into()));
    }

    pub(super) fn integer(&mut self, value: i64) {
        self.bind(Bound::Integer(value));
    }

    fn bind(&mut self, bound: Bound) {
        self.bound.push(bound);
        let _ = write!(self.text, "${}", self.bound.len());
    }

    /// Writes placeholders with commas between; an empty list would be no list, so there is one that is nobody's.
    pub(super) fn list(&mut self, values: impl IntoIterator<Item = String>) {
        let before = self.bound.len();
        for value in values {
            if self.bound.len() > before {
                self.push(", ");
            }
            self.text(value);
        }
        if self.bound.len() == before {
            self.text("");
        }
    }

    pub(super) fn query(self) -> Query {
        // Only literals of this crate and placeholders were written.
        self.bound.into_iter().fold(query(AssertSqlSafe(self.text)), |query, bound| match bound {
            Bound::Text(value) => query.bind(value),
            Bound::Integer(value) => query.bind(value),
            Bound::Truth(value) => query.bind(value),
        })
    }

    pub(super) fn condition(&mut self, of: Of, condition: &Condition) {
        match condition {
            Condition::All(all) => self.joined("AND", "(1 = 1)", all, |sql, one| sql.condition(of, one)),
            Condition::Any(any) => self.joined("OR", "(1 = 0)", any, |sql, one| sql.condition(of, one)),
            Condition::Not(inner) => {
                // What is neither true nor false for the database, for want of a value, is false for the client.
                self.push("NOT coalesce(");
                self.condition(of, inner);
                self.push(", FALSE)");
            }
            Condition::Column(column, test) => self.test(of.column(*column), test),
            Condition::Element(multiple, within) => self.element(multiple, within),
        }
    }

    fn joined<T>(&mut self, word: &str, nothing: &str, all: &[T], each: impl Fn(&mut Self, &T)) {
        if all.is_empty() {
            return self.push(nothing);
        }
        for (place, one) in all.iter().enumerate() {
            self.push(if place == 0 { "(" } else { " " });
            if place > 0 {
                self.push(word);
                self.push(" ");
            }
            each(self, one);
        }
        self.push(")");
    }

    fn element(&mut self, multiple: &Multiple, within: &Within) {
        match multiple {
            Multiple::Attribute(name) => {
                self.push("t.id IN (SELECT e.user_id FROM user_attributes e WHERE e.attribute = ");
                self.text(name.as_str());
                self.push(" AND ");
                match within {
                    // What is not said to be so is not: that has no row of its own.
                    Within::Part(part, test) if *test != Test::Is(false) => {
                        self.push("e.part = ");
                        self.text(part.as_str());
                        self.push(" AND ");
                        self.test("e.value", &spelt(test));
                    }
                    within => self.within(within, &Self::part_of_attribute),
                }
            }
            Multiple::Groups => {
                self.push(
                    "t.id IN (SELECT e.user_id FROM group_members e JOIN directory_groups g ON g.id = e.group_id \
                     WHERE g.connection = t.provisioner AND ",
                );
                self.within(within, &|sql, part, test| sql.part_of_row(part, test, "e.group_id", "g.folded_name"));
            }
            Multiple::Members => {
                self.push("t.id IN (SELECT e.group_id FROM group_members e WHERE ");
                self.within(within, &|sql, part, test| sql.part_of_row(part, test, "e.user_id", "NULL"));
            }
        }
        self.push(")");
    }

    fn within(&mut self, within: &Within, part: &dyn Fn(&mut Self, &str, &Test)) {
        match within {
            Within::All(all) => self.joined("AND", "(1 = 1)", all, |sql, one| sql.within(one, part)),
            Within::Any(any) => self.joined("OR", "(1 = 0)", any, |sql, one| sql.within(one, part)),
            Within::Not(inner) => {
                self.push("NOT ");
                self.within(inner, part);
            }
            Within::Part(name, test) => part(self, name, test),
        }
    }

    fn part_of_attribute(&mut self, part: &str, test: &Test) {
        let (not, test) = match test {
            Test::Is(false) => ("NOT ", &Test::Is(true)),
            test => ("", test),
        };
        self.push(not);
        self.push(
            "EXISTS (SELECT 1 FROM user_attributes p WHERE p.user_id = e.user_id AND p.attribute = e.attribute \
             AND p.element = e.element AND p.part = ",
        );
        self.text(part);
        self.push(" AND ");
        self.test("p.value", &spelt(test));
        self.push(")");
    }

    /// Members and groups have an id and a name to be found by.
    fn part_of_row(&mut self, part: &str, test: &Test, id: &str, name: &str) {
        match part {
            "value" => self.test(id, test),
            "display" => self.test(name, test),
            _ => self.push("(1 = 0)"),
        }
    }

    fn test(&mut self, what: &str, test: &Test) {
        let plain = |sql: &mut Self, operator: &str, text: &str| {
            sql.push(what);
            sql.push(operator);
            sql.text(text);
        };
        match test {
            Test::Present => self.push(&format!("{what} IS NOT NULL")),
            Test::Contains(text) | Test::StartsWith(text) | Test::EndsWith(text) if text.is_empty() => {
                self.push(&format!("{what} IS NOT NULL"));
            }
            Test::Equal(text) => plain(self, " = ", text),
            Test::Above(text) => plain(self, " > ", text),
            Test::NotBelow(text) => plain(self, " >= ", text),
            Test::Below(text) => plain(self, " < ", text),
            Test::NotAbove(text) => plain(self, " <= ", text),
            // Plain functions that both engines have; a pattern would have letters with a meaning.
            Test::Contains(text) => {
                self.push(&format!("replace({what}, "));
                self.text(text.as_str());
                self.push(&format!(", '') <> {what}"));
            }
            Test::StartsWith(text) => {
                self.push("(");
                plain(self, " >= ", text);
                self.push(" AND ");
                plain(self, " < ", &format!("{text}\u{10ffff}"));
                self.push(")");
            }
            Test::EndsWith(text) => {
                let length = text.chars().count();
                self.push(&format!("(length({what}) >= {length} AND substr({what}, length({what}) - {length} + 1) = "));
                self.text(text.as_str());
                self.push(")");
            }
            Test::Is(truth) => {
                self.push(&format!("{what} = "));
                self.bind(Bound::Truth(*truth));
            }
            Test::At(at) => self.moment(what, "=", at.millis()),
            Test::After(at) => self.moment(what, ">", at.millis()),
            Test::NotBefore(at) => self.moment(what, ">=", at.millis()),
            Test::Before(at) => self.moment(what, "<", at.millis()),
            Test::NotAfter(at) => self.moment(what, "<=", at.millis()),
        }
    }

    fn moment(&mut self, what: &str, operator: &str, millis: i64) {
        self.push(&format!("{what} {operator} "));
        self.integer(millis);
    }

    /// What comes after this row in the order that is nobody's wish.
    pub(super) fn after(&mut self, place: &Place) {
        self.push(" AND (t.created_at, t.id) > (");
        self.integer(place.created_at);
        self.push(", ");
        self.text(place.id.as_str());
        self.push(")");
    }

    /// The order, and the id so that it is the same for every page.
    pub(super) fn order(&mut self, of: Of, order: Option<&Order>) {
        self.push(" ORDER BY ");
        if let Some(Order { by, descending }) = order {
            let direction = if *descending { " DESC" } else { "" };
            // Twice, so that what has no value comes last in one engine as in the other; what always has one is read as its index has it.
            let twice = [" IS NULL", ""];
            for absent in if by.is_always_there() { &twice[1..] } else { &twice } {
                match by {
                    OrderBy::Column(column) => self.push(of.column(*column)),
                    OrderBy::Attribute(attribute, part) => {
                        self.push("(SELECT o.value FROM user_attributes o WHERE o.user_id = t.id AND o.attribute = ");
                        self.text(attribute.as_str());
                        self.push(" AND o.part = ");
                        self.text(part.as_str());
                        self.push(" ORDER BY o.element LIMIT 1)");
                    }
                }
                self.push(&format!("{absent}{direction}, "));
            }
        }
        self.push("t.created_at, t.id");
    }
}

/// In the index of attributes truth is a word.
fn spelt(test: &Test) -> Test {
    match test {
        Test::Is(truth) => Test::Equal(truth.to_string()),
        test => test.clone(),
    }
}
