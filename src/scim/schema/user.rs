//! The schema of users (RFC 7643 §4.1) and its enterprise extension (§4.3).
//!
//! Refuses to let a client say what somebody may do: `roles` and `entitlements` are kept as words, and Doorward's roles come from
//! groups alone (threats K4).

use super::{Attribute, Type, attribute, boolean, complex, many, reference, text};

pub(super) static ATTRIBUTES: &[Attribute] = &[
    text("userName", "What the person is known by; unique.").required().unique(),
    complex("name", NAME, "The parts of the person's name."),
    text("displayName", "The name, as it is shown."),
    text("nickName", "What people call the person."),
    reference("profileUrl", &["external"], "A page about the person."),
    text("title", "Such as \"Vice President\"."),
    text("userType", "Such as \"Contractor\" or \"Employee\"."),
    text("preferredLanguage", "As in Accept-Language."),
    text("locale", "Such as en-US."),
    text("timezone", "Such as Europe/Vienna."),
    boolean("active", "Whether the person may use the application."),
    text("password", "Accepted and not kept: people sign in with their provider.").write_only(),
    many("emails", EMAILS, "Addresses for mail."),
    many("phoneNumbers", PHONES, "Telephone numbers."),
    many("ims", IMS, "Addresses for instant messages."),
    many("photos", PHOTOS, "Addresses of pictures."),
    many("addresses", ADDRESSES, "Postal addresses."),
    many("groups", GROUPS, "The groups the person is in.").read_only(),
    many("entitlements", WORDS, "Kept, without effect."),
    many("roles", WORDS, "Kept, without effect."),
    many("x509Certificates", CERTIFICATES, "Certificates of the person."),
];

pub(super) static ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "A number or word that the organisation gave."),
    text("costCenter", "The name of a cost center."),
    text("organization", "The name of an organisation."),
    text("division", "The name of a division."),
    text("department", "The name of a department."),
    complex("manager", MANAGER, "Whom the person reports to."),
];

static NAME: &[Attribute] = &[
    text("formatted", "The whole name."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
    text("middleName", "The middle names."),
    text("honorificPrefix", "Such as \"Dr.\"."),
    text("honorificSuffix", "Such as \"III\"."),
];

const DISPLAY: Attribute = text("display", "For people to read.");
const PRIMARY: Attribute = boolean("primary", "Whether it is the preferred one; at most one is.");
const WORK: Attribute = text("type", "What it is for.");
const VALUE: Attribute = text("value", "The value.");

static EMAILS: &[Attribute] = &[VALUE, DISPLAY, WORK.canonical(&["work", "home", "other"]), PRIMARY];
static PHONES: &[Attribute] = &[VALUE, DISPLAY, WORK.canonical(&["work", "home", "mobile", "fax", "pager", "other"]), PRIMARY];
static IMS: &[Attribute] = &[VALUE, DISPLAY, WORK, PRIMARY];
static PHOTOS: &[Attribute] =
    &[reference("value", &["external"], "The address."), DISPLAY, WORK.canonical(&["photo", "thumbnail"]), PRIMARY];
static WORDS: &[Attribute] = &[VALUE, DISPLAY, WORK, PRIMARY];
static CERTIFICATES: &[Attribute] =
    &[attribute("value", Type::Binary, "A certificate, DER in base64.").exact(), DISPLAY, WORK, PRIMARY];

static ADDRESSES: &[Attribute] = &[
    text("formatted", "The whole address."),
    text("streetAddress", "Street and number."),
    text("locality", "City or locality."),
    text("region", "State or region."),
    text("postalCode", "Postal code."),
    text("country", "Country, ISO 3166-1 alpha-2."),
    WORK.canonical(&["work", "home", "other"]),
    PRIMARY,
];

static GROUPS: &[Attribute] = &[
    VALUE.exact().read_only(),
    reference("$ref", &["User", "Group"], "The group's address.").read_only(),
    DISPLAY.read_only(),
    WORK.canonical(&["direct", "indirect"]).read_only(),
];

static MANAGER: &[Attribute] = &[
    VALUE.exact(),
    reference("$ref", &["User"], "The manager's address."),
    text("displayName", "The manager's name.").read_only(),
];
