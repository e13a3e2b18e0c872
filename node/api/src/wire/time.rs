//! Times: milliseconds inside, RFC 3339 in UTC outside.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// Latest time that is taken, the year 9999.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// From 1970 to 9999. What a day or an offset may be, the format says.
const PATTERN: &str = r"^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// A time from a caller, ms since 1970: RFC 3339, or a date, which is its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeText(pub(crate) u64);

impl TimeText {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "is not a time: write 2026-11-26T18:00:00Z or 2026-11-26";
        let whole =
            if text.len() == 10 { Cow::Owned(format!("{text}T00:00:00Z")) } else { Cow::Borrowed(text) };
        let time = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| wrong)?;
        let ms = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| "is before 1970")?;
        if ms > TIME_MS_MAX { Err(wrong) } else { Ok(Self(ms)) }
    }
}

impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TimeText::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl PartialSchema for TimeText {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(Type::String);
        time.pattern(Some(PATTERN))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, from 1970 on."))
            .examples([serde_json::json!("2026-11-26T18:00:00Z")])
            .into()
    }
}

impl ToSchema for TimeText {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn time_text(ms: u64) -> String {
    let time = i128::from(ms.min(TIME_MS_MAX)) * 1_000_000;
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(time) else { return String::new() };
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_went() {
        for ms in [0, 1, 951_782_400_000, 1_795_716_000_123, TIME_MS_MAX] {
            assert_eq!(TimeText::parse(&time_text(ms)), Ok(TimeText(ms)), "{}", time_text(ms));
        }
        assert_eq!(TimeText::parse("1970-01-02"), Ok(TimeText(86_400_000)));
        assert_eq!(TimeText::parse("1970-01-01T01:00:00+01:00"), Ok(TimeText(0)));
        for bad in ["", "yesterday", "1969-12-31T23:59:59Z", "2026-13-01", "2026-11-26 18:00"] {
            assert!(TimeText::parse(bad).is_err(), "{bad}");
        }
    }
}
