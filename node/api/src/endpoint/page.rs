//! Lists in pages: `limit`, `cursor`, `offset` in; `items` and the older names of the same list out.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, schema::Type},
};

use crate::ApiError;

/// Most items of a page.
pub(crate) const PAGE_ITEMS_MAX: u64 = 200;
/// Items of a page when nothing is said.
const PAGE_ITEMS: u64 = 50;
/// Furthest offset; who goes further takes the cursor.
const OFFSET_MAX: u64 = 10_000;

/// Largest index that a parameter takes: every reader of JSON has it exactly.
pub(super) const INDEX_MAX: u64 = 1 << 53;
/// How to go on.
pub(super) const NEXT_CURSOR: &str = "Send it as `cursor` for the next page; null when there is none. A page of a filtered list may be short, or empty, and \
                                      still have one: the search goes on there.";
/// How a cursor looks: 8 bytes in base64url without padding.
pub(super) const CURSOR_PATTERN: &str = "^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$";

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Most items.
    pub(crate) limit: usize,
    /// Items to pass over.
    pub(crate) offset: usize,
    /// Where the page before ended: a position that only the list itself understands.
    pub(crate) cursor: Option<u64>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: PAGE_ITEMS as usize, offset: 0, cursor: None }
    }
}

impl Page {
    /// Takes the parameters of pages out of a query.
    pub(super) fn take(pairs: &mut Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut page = Self::default();
        if let Some(limit) = take(pairs, "limit") {
            page.limit = number("limit", &limit, 1, PAGE_ITEMS_MAX)? as usize;
        }
        if let Some(offset) = take(pairs, "offset") {
            page.offset = number("offset", &offset, 0, OFFSET_MAX)? as usize;
        }
        if let Some(cursor) = take(pairs, "cursor") {
            page.cursor = Some(read_cursor(&cursor).ok_or_else(|| {
                ApiError::malformed("the cursor is not one of ours")
                    .field("cursor")
                    .fix("send next_cursor of the page before, as it is")
            })?);
        }
        Ok(page)
    }
}

/// Takes one parameter out of a query.
pub(super) fn take(pairs: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = pairs.iter().position(|(known, _)| known == name)?;
    Some(pairs.remove(at).1)
}

/// A whole number within bounds.
pub(super) fn number(field: &str, text: &str, least: u64, most: u64) -> Result<u64, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number));
    number.ok_or_else(|| {
        ApiError::malformed(format!("{field} must be a whole number from {least} to {most}"))
            .field(field)
            .fix("see the parameters of this endpoint under /docs")
    })
}

fn read_cursor(text: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn cursor_text(position: u64) -> String {
    URL_SAFE_NO_PAD.encode(position.to_be_bytes())
}

/// What can stand in a list.
pub(crate) trait Listed {
    /// The list's older name, e.g. `agents`.
    const PLURAL: &'static str;
}

/// One page of a list.
pub(crate) struct Paged<T> {
    pub(crate) items: Vec<T>,
    /// Items in the whole list; of one that only looking tells, those up to the end of the page.
    pub(crate) total: u64,
    /// What was asked for.
    pub(crate) page: Page,
    /// Position of the last item, or of the last thing that was none, if there may be more behind it.
    pub(crate) next: Option<u64>,
}

impl<T> Paged<T> {
    /// A page of a list that is short enough to be at hand as a whole. Its positions count from its beginning.
    pub(crate) fn of_all(all: Vec<T>, page: Page) -> Self {
        let total = all.len();
        let start = usize::try_from(page.cursor.unwrap_or(0)).unwrap_or(total).saturating_add(page.offset);
        let end = start.saturating_add(page.limit);
        let items = all.into_iter().skip(start).take(page.limit).collect();
        Self { items, total: total as u64, page, next: (end < total).then_some(end as u64) }
    }

    /// The same page of what `show` makes of its items.
    pub(crate) fn map<U>(self, show: impl FnMut(T) -> U) -> Paged<U> {
        let Self { items, total, page, next } = self;
        Paged { items: items.into_iter().map(show).collect(), total, page, next }
    }

    /// [`Self::map`] where it may fail.
    pub(crate) fn try_map<U>(self, show: impl FnMut(T) -> Result<U, ApiError>) -> Result<Paged<U>, ApiError> {
        let Self { items, total, page, next } = self;
        Ok(Paged { items: items.into_iter().map(show).collect::<Result<_, _>>()?, total, page, next })
    }
}

impl<T: Listed + Serialize> Serialize for Paged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in ["items", T::PLURAL, "data"] {
            map.serialize_entry(name, &self.items)?;
        }
        map.serialize_entry("total", &self.total)?;
        map.serialize_entry("limit", &self.page.limit)?;
        map.serialize_entry("offset", &self.page.offset)?;
        map.serialize_entry("next_cursor", &self.next.map(cursor_text))?;
        map.end()
    }
}

impl<T: Listed + ToSchema> PartialSchema for Paged<T> {
    fn schema() -> RefOr<Schema> {
        let items = || ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let whole = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
        let cursor = ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some(NEXT_CURSOR));
        let mut object = ObjectBuilder::new();
        let older = "The same as `items`, where older clients look for it.";
        for (name, about) in [("items", "The items of this page."), (T::PLURAL, older), ("data", older)] {
            object = object.property(name, items().description(Some(about))).required(name);
        }
        for name in ["total", "limit", "offset"] {
            object = object.property(name, whole()).required(name);
        }
        object.property("next_cursor", cursor).required("next_cursor").into()
    }
}

impl<T: Listed + ToSchema> ToSchema for Paged<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_list_comes_in_pages_too() {
        let page = |limit, offset, cursor| {
            let paged = Paged::of_all((0..5).collect(), Page { limit, offset, cursor });
            (paged.items, paged.total, paged.next)
        };
        assert_eq!(page(2, 0, None), (vec![0, 1], 5, Some(2)));
        assert_eq!(page(2, 0, Some(2)), (vec![2, 3], 5, Some(4)));
        assert_eq!(page(2, 1, Some(2)), (vec![3, 4], 5, None));
        assert_eq!(page(9, 3, None), (vec![3, 4], 5, None));
        assert_eq!(page(9, 9, Some(u64::MAX)), (vec![], 5, None));
    }

    #[test]
    fn pages_are_read_and_refused() {
        let read = |text: &str| {
            let mut pairs: Vec<_> = text
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            Page::take(&mut pairs).map(|page| (page, pairs.len())).map_err(|error| error.field)
        };
        assert_eq!(read(""), Ok((Page::default(), 0)));
        assert_eq!(read("limit=200&offset=5&x=1"), Ok((Page { limit: 200, offset: 5, cursor: None }, 1)));
        let cursor = cursor_text(77);
        assert_eq!(read(&format!("cursor={cursor}")).unwrap().0.cursor, Some(77));
        for (bad, field) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=+5", "limit"),
            ("offset=-1", "offset"),
            ("offset=10001", "offset"),
            ("cursor=x", "cursor"),
        ] {
            assert_eq!(read(bad), Err(field.to_owned()), "{bad}");
        }
    }
}
