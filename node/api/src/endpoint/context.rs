//! What a handler has at hand: who calls, which log, views of its state, and the way to write records.

use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use ledger_format::record::{Actor, AgentId, Body, Draft, Entry, Record, Ulid};
use ledger_log::{
    Ack, Credential, HostedLog, Note, Noted, OwnRecord, Reader, Refused, Submitted, TimelineQuery,
    TimelineRow,
};
use ledger_state::{PRIVATE_VALUE_BYTES_MAX, View};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Page, Paged,
    walk::{LOOKS_MAX, Walked, aside, walk},
};
use crate::{
    ApiError,
    account::{Account, Caller, Changes, Store},
    maip::Shared,
    wire::{IdKind, WriteReceipt, article, hex, time_text},
};

/// What the log says to a record of a tenant that it does not know.
const TENANT_UNKNOWN: &str = "TENANT_UNKNOWN";

/// Which rows of the timeline a list is made of.
#[derive(Clone, Copy)]
enum Rows {
    /// The tenant's own records.
    Own,
    /// What the tenant is a party to.
    Party,
}

/// One call.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    /// The log that the credential reaches.
    pub(crate) log: HostedLog,
    pub(crate) reader: Reader,
    /// Who calls; nobody where an endpoint is public.
    pub(crate) caller: Option<Caller>,
    pub(crate) path: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) page: Page,
    /// How long a write waits.
    pub(crate) ack: Ack,
    pub(crate) timeout: Duration,
    /// Node's clock, ms.
    pub(crate) now_ms: u64,
    /// From an idempotency key: where ids and secrets come from, so that a repetition makes the same.
    pub(crate) seed: Option<[u8; 32]>,
    /// How many ids were made from the seed.
    pub(crate) drawn: u64,
}

/// A record that this call has logged.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) id: Ulid,
    pub(crate) index: u64,
    pub(crate) log_ms: u64,
    /// An earlier call has logged it.
    pub(crate) duplicate: bool,
    pub(crate) receipt: WriteReceipt,
}

impl Context {
    /// For what a node does by itself. With a seed, ids are drawn from it, so that a repetition makes the same.
    pub(crate) fn of_node(
        shared: Shared,
        log: HostedLog,
        caller: Caller,
        (ack, timeout): (Ack, Duration),
        now_ms: u64,
        seed: Option<[u8; 32]>,
    ) -> Self {
        Self {
            shared,
            reader: log.reader(),
            log,
            caller: Some(caller),
            path: Vec::new(),
            headers: HeaderMap::new(),
            page: Page::default(),
            ack,
            timeout,
            now_ms,
            seed,
            drawn: 0,
        }
    }

    /// Who calls.
    pub(crate) fn caller(&self) -> Result<&Caller, ApiError> {
        self.caller.as_ref().ok_or_else(ApiError::unauthenticated)
    }

    /// The tenant that the credential speaks for.
    pub(crate) fn tenant(&self) -> Result<Ulid, ApiError> {
        Ok(self.caller()?.tenant)
    }

    /// The id in the path. A spelling that names another tenant is somebody else's: not found.
    pub(crate) fn id<K: IdKind>(&self, name: &str) -> Result<K, ApiError> {
        let text = self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        let id = K::read(text).ok_or_else(|| {
            ApiError::malformed(format!("{text:?} is not the id of {} {}", article(K::WHAT), K::WHAT))
                .field(name)
                .fix(format!("write {}<ulid> or a UUID", K::PREFIX))
        })?;
        if let (Some(tag), Some(caller)) = (ledger_format::record::tenant_tag(text), &self.caller)
            && u32::from_be_bytes(caller.tenant.to_bytes()[..4].try_into().expect("4 of 16 bytes")) != tag
        {
            return Err(ApiError::missing(K::WHAT, name));
        }
        Ok(id)
    }

    /// A word in the path.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Reads the state that this node has applied.
    pub(crate) fn view<T>(&self, read: impl FnOnce(&dyn View) -> T) -> Result<T, ApiError> {
        self.reader.state(read).map_err(ApiError::internal)
    }

    /// The caller's own agent; another tenant's does not exist for the caller.
    pub(crate) fn own_agent(&self, id: AgentId, field: &str) -> Result<ledger_state::Agent, ApiError> {
        let tenant = self.tenant()?;
        let agent = self.view(|view| ledger_state::agent(view, id))?;
        agent.filter(|agent| agent.tenant == tenant).ok_or_else(|| ApiError::missing("agent", field))
    }

    /// As [`Context::own_agent`], of an agent in whose name the caller acts: an agent's session acts in no other's.
    pub(crate) fn acting_agent(&self, id: AgentId, field: &str) -> Result<ledger_state::Agent, ApiError> {
        let agent = self.own_agent(id, field)?;
        self.caller()?.may_act_as(id).map_err(|error| error.field(field))?;
        Ok(agent)
    }

    /// A new id. Under an idempotency key, the same one in each repetition.
    pub(crate) fn new_id(&mut self) -> Result<Ulid, ApiError> {
        let bytes = self.draw("id")?;
        let random = u128::from_be_bytes(bytes[..16].try_into().expect("16 of 32 bytes"));
        Ok(Ulid::from_parts(self.now_ms, random))
    }

    /// 32 bytes for an id or a secret. Under an idempotency key, the same ones in each repetition.
    pub(crate) fn draw(&mut self, what: &str) -> Result<[u8; 32], ApiError> {
        self.drawn += 1;
        if let Some(seed) = &self.seed {
            let mut input = seed.to_vec();
            input.extend_from_slice(&self.drawn.to_be_bytes());
            input.extend_from_slice(what.as_bytes());
            return Ok(self.shared.secrets.keyed("maip 2026-11 drawn under an idempotency key", &input));
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
        Ok(bytes)
    }

    /// The credential, as the records that the operator signs for it name it.
    pub(crate) fn on_behalf_of(&self) -> Result<Option<String>, ApiError> {
        Ok(Some(self.caller()?.name.clone()))
    }

    /// Logs one record of the caller's tenant, signed by the operator on the caller's behalf.
    pub(crate) async fn record(&mut self, body: Body) -> Result<Logged, ApiError> {
        let id = self.new_id()?;
        self.record_as(id, body).await
    }

    /// As [`Context::record`], under an id of the caller's choosing.
    pub(crate) async fn record_as(&mut self, id: Ulid, body: Body) -> Result<Logged, ApiError> {
        let logged = self.records(vec![(id, body)]).await?;
        logged.into_iter().next().ok_or_else(|| ApiError::internal("no answer for a record"))
    }

    /// As [`Context::record`]; with the record, and only with it, the nodes keep the whole reason that it has a word of.
    pub(crate) async fn record_because(
        &mut self,
        body: Body,
        whole: Option<String>,
    ) -> Result<Logged, ApiError> {
        let id = self.new_id()?;
        match whole {
            Some(whole) => self.record_noted(id, body, id, &whole).await,
            None => self.record_as(id, body).await,
        }
    }

    /// As [`Context::record_as`]; with the record, and only with it, the nodes keep `notes` about `object`.
    pub(crate) async fn record_noted(
        &mut self,
        id: Ulid,
        body: Body,
        object: Ulid,
        notes: &impl Serialize,
    ) -> Result<Logged, ApiError> {
        let logged = self.submit_signed(self.tenant()?, vec![(id, body, Some(note(object, notes)?))]).await?;
        logged.into_iter().next().ok_or_else(|| ApiError::internal("no answer for a record"))
    }

    /// As [`Context::records`]; with the first, and only with it, the nodes keep `notes` under its id.
    pub(crate) async fn records_noted(
        &mut self,
        bodies: Vec<(Ulid, Body)>,
        notes: &impl Serialize,
    ) -> Result<Vec<Logged>, ApiError> {
        let first = bodies.first().map_or(Ulid::NIL, |(id, _)| *id);
        self.records_about(first, bodies, notes).await
    }

    /// As [`Context::records`]; with the first, and only with it, the nodes keep `notes` about `object`.
    pub(crate) async fn records_about(
        &mut self,
        object: Ulid,
        bodies: Vec<(Ulid, Body)>,
        notes: &impl Serialize,
    ) -> Result<Vec<Logged>, ApiError> {
        let mut first = Some(note(object, notes)?);
        let bodies = bodies.into_iter().map(|(id, body)| (id, body, first.take())).collect();
        self.submit_signed(self.tenant()?, bodies).await
    }

    /// As [`Context::records_noted`]; with each record the nodes keep notes of its own.
    pub(crate) async fn records_each_noted(
        &mut self,
        bodies: Vec<(Ulid, Body, serde_json::Value)>,
    ) -> Result<Vec<Logged>, ApiError> {
        let noted = |(id, body, notes)| Ok((id, body, Some(note(id, &notes)?)));
        let noted = bodies.into_iter().map(noted).collect::<Result<_, ApiError>>()?;
        self.submit_signed(self.tenant()?, noted).await
    }

    /// Logs several records in order. The first refusal is the answer; those before it stand.
    pub(crate) async fn records(&mut self, bodies: Vec<(Ulid, Body)>) -> Result<Vec<Logged>, ApiError> {
        self.records_of(self.tenant()?, bodies).await
    }

    /// As [`Context::records`], of a tenant that may be new.
    pub(crate) async fn records_of(
        &mut self,
        tenant: Ulid,
        bodies: Vec<(Ulid, Body)>,
    ) -> Result<Vec<Logged>, ApiError> {
        self.submit_signed(tenant, bodies.into_iter().map(|(id, body)| (id, body, None)).collect()).await
    }

    async fn submit_signed(
        &mut self,
        tenant: Ulid,
        bodies: Vec<(Ulid, Body, Option<Note>)>,
    ) -> Result<Vec<Logged>, ApiError> {
        if let Some(caller) = &self.caller {
            bodies.iter().try_for_each(|(_, body, _)| caller.may_state(body))?;
        }
        let signed = |id: Ulid, body: Body, note: Option<Note>| {
            self.log.sign_record(Draft::new(tenant, id, Actor::Operator, self.now_ms, body), note)
        };
        let (ids, records): (Vec<Ulid>, Vec<OwnRecord>) =
            bodies.into_iter().map(|(id, body, note)| (id, signed(id, body, note))).unzip();
        let mut fates = self.submit(records.clone()).await;
        if fates.iter().any(|fate| fate.as_ref().is_err_and(|refused| refused.code == TENANT_UNKNOWN))
            && let Some(account) = Account::of(&self.shared.store, tenant)?
        {
            // The sandbox was reset: its new log is told of the tenant first.
            let id = Ulid::from_parts(tenant.timestamp_ms(), tenant.0.wrapping_add(1));
            let tenant = signed(id, account.record(), None);
            let again = std::iter::once(tenant).chain(records).collect();
            fates = self.submit(again).await;
            // Whether the tenant was taken shows in what follows it.
            drop(fates.remove(0));
        }
        let logged: Vec<Logged> = ids
            .into_iter()
            .zip(fates)
            .map(|(id, fate)| Ok(logged(id, fate.map_err(ApiError::from)?)))
            .collect::<Result<_, ApiError>>()?;
        // The leader has applied them; the handler reads this node's state.
        let size = logged.iter().map(|logged| logged.index + 1).max().unwrap_or(0);
        if !self.reader.wait_applied(size, self.timeout).await {
            return Err(ApiError::too_late(
                "the records are in the log, but this node has not applied them yet",
            ));
        }
        Ok(logged)
    }

    /// Logs a record that somebody else has signed, an agent or the tenant; with it, and only with it, the nodes keep `notes` under its id.
    pub(crate) async fn record_signed(
        &mut self,
        record: &Record,
        notes: &impl Serialize,
    ) -> Result<Logged, ApiError> {
        let noted = Noted { record: Bytes::from(record.to_bytes()), note: Some(note(record.id, notes)?) };
        let fates = self.log.submit_noted(vec![noted], self.ack, self.timeout, Credential::Anonymous).await;
        let fate = fates.into_iter().next().ok_or_else(|| ApiError::internal("no answer for a record"))?;
        let logged = logged(record.id, fate.map_err(ApiError::from)?);
        if !self.reader.wait_applied(logged.index + 1, self.timeout).await {
            return Err(ApiError::too_late("the record is in the log, but this node has not applied it yet"));
        }
        Ok(logged)
    }

    async fn submit(&self, records: Vec<OwnRecord>) -> Vec<Result<Submitted, Refused>> {
        self.log.submit_own(records, self.ack, self.timeout).await
    }

    /// Keeps what a caller said about an object and the log does not hold, in the private state of the same log: what a reset of the
    /// sandbox drops is gone with it.
    pub(crate) async fn keep(&self, object: Ulid, notes: &impl Serialize) -> Result<(), ApiError> {
        let changes = Changes::default().put(&notes_place(object), notes, None)?;
        Store::new(self.log.clone()).change(changes).await?;
        Ok(())
    }

    /// The private state of the log that the credential reaches.
    pub(crate) fn store(&self) -> Store {
        Store::new(self.log.clone())
    }

    /// What was kept about an object.
    pub(crate) fn kept<T: DeserializeOwned>(&self, object: Ulid) -> Result<Option<T>, ApiError> {
        Ok(Store::new(self.log.clone()).get(&notes_place(object))?.map(|(notes, _)| notes))
    }

    /// As [`Context::kept`], with the bytes for [`Context::keep_still`].
    pub(crate) fn kept_bytes<T: DeserializeOwned>(
        &self,
        object: Ulid,
    ) -> Result<Option<(T, Vec<u8>)>, ApiError> {
        Store::new(self.log.clone()).get(&notes_place(object))
    }

    /// As [`Context::keep`], unless something else is kept by now than what was read: whether it did.
    pub(crate) async fn keep_still(
        &self,
        object: Ulid,
        before: &[u8],
        notes: &impl Serialize,
    ) -> Result<bool, ApiError> {
        let place = notes_place(object);
        let changes = Changes::default().still(&place, before).put(&place, notes, None)?;
        Store::new(self.log.clone()).change(changes).await
    }

    /// An applied entry: the log's time and the record as JSON.
    pub(crate) fn entry(&self, index: u64) -> Result<Option<(u64, Record)>, ApiError> {
        let Some(bytes) = self.reader.applied_entry(index).map_err(ApiError::internal)? else {
            return Ok(None);
        };
        let entry = Entry::parse(&bytes).map_err(ApiError::internal)?;
        Ok(Record::parse(entry.record).ok().map(|record| (entry.at, record)))
    }

    /// The log's time of an applied entry, ms.
    pub(crate) fn entry_ms(&self, index: u64) -> Result<Option<u64>, ApiError> {
        let bytes = self.reader.applied_entry(index).map_err(ApiError::internal)?;
        Ok(bytes.and_then(|bytes| Entry::parse(&bytes).ok().map(|entry| entry.at)))
    }

    /// The log's time of an entry, RFC 3339.
    pub(crate) fn log_time(&self, index: u64) -> Result<String, ApiError> {
        Ok(self.entry_ms(index)?.map(time_text).unwrap_or_default())
    }

    /// One page of the records of the caller's tenant that are of these types, newest first, each shown by `show`; what `show`
    /// leaves out is not in the list, and a page that looks at too much of it ends early. `filtered`: whether it leaves out any, so that
    /// only looking tells the total: as many as there are up to the end of the page.
    pub(crate) async fn list<T>(
        &self,
        types: &[&str],
        agent: Option<AgentId>,
        filtered: bool,
        show: impl Fn(&Context, &TimelineRow) -> Result<Option<T>, ApiError>,
    ) -> Result<Paged<T>, ApiError> {
        self.list_of(Rows::Own, types, agent, filtered, show).await
    }

    /// As [`Context::list`], of what the caller's tenant, or the agent of it, is a party to, whoever's records they are.
    pub(crate) async fn list_of_party<T>(
        &self,
        types: &[&str],
        agent: Option<AgentId>,
        filtered: bool,
        show: impl Fn(&Context, &TimelineRow) -> Result<Option<T>, ApiError>,
    ) -> Result<Paged<T>, ApiError> {
        self.list_of(Rows::Party, types, agent, filtered, show).await
    }

    async fn list_of<T>(
        &self,
        rows: Rows,
        types: &[&str],
        agent: Option<AgentId>,
        filtered: bool,
        show: impl Fn(&Context, &TimelineRow) -> Result<Option<T>, ApiError>,
    ) -> Result<Paged<T>, ApiError> {
        let tenant = self.tenant()?;
        if !self.reader.wait_timeline(self.reader.applied_size(), self.timeout).await {
            return Err(ApiError::too_late("the lists of this node are not up to date yet"));
        }
        let page = self.page;
        let read = |before, limit| {
            let query = TimelineQuery { tenant, types, agent, before, from: 0, limit, ascending: false };
            let found = match rows {
                Rows::Own => self.reader.timeline(&query),
                Rows::Party => self.reader.timeline_of_party(&query),
            };
            found.map_err(ApiError::internal)
        };
        let Walked { items, passed, next } = aside(|| walk(page, LOOKS_MAX, read, |row| show(self, row)))?;
        let total = match filtered {
            true => passed as u64,
            false => types
                .iter()
                .map(|name| match rows {
                    Rows::Own => self.reader.timeline_count(tenant, name, agent),
                    Rows::Party => self.reader.timeline_count_of_party(tenant, name, agent),
                })
                .map(|count| count.map_err(ApiError::internal))
                .sum::<Result<u64, ApiError>>()?,
        };
        Ok(Paged { items, total, page, next })
    }
}

/// What nodes keep about an object, for the record that brings it.
fn note(object: Ulid, notes: &impl Serialize) -> Result<Note, ApiError> {
    let notes = serde_json::to_vec(notes).map_err(ApiError::internal)?;
    Note::new(notes_place(object), notes).ok_or_else(|| {
        ApiError::unprocessable(format!(
            "what nodes are to keep of it is longer than {PRIVATE_VALUE_BYTES_MAX} bytes"
        ))
        .field("body")
        .fix("send less, or digests instead of content")
    })
}

/// Where is kept what a caller said about an object.
pub(crate) fn notes_place(object: Ulid) -> String {
    format!("notes/{object}")
}

fn logged(id: Ulid, submitted: Submitted) -> Logged {
    let receipt = write_receipt(id, &submitted);
    let Submitted { index, log_ms, duplicate, .. } = submitted;
    Logged { id, index, log_ms, duplicate, receipt }
}

/// What a write answers with.
pub(crate) fn write_receipt(id: Ulid, submitted: &Submitted) -> WriteReceipt {
    let ack = match submitted.ack {
        Ack::Sequenced => "sequenced",
        Ack::Published => "published",
        Ack::Witnessed => "witnessed",
    };
    WriteReceipt {
        receipt_id: ledger_format::record::ReceiptId(id).to_string(),
        log_index: submitted.index,
        leaf_hash: hex(&submitted.leaf.0),
        ack,
    }
}
