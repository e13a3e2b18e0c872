//! Examples and exit codes shown by `--help`. A test of the devnet runs every example as it is printed.

pub(crate) const MAIN: &str = "\
Exit codes: 0 ok · 1 the answer is no (a proof is invalid, a record was refused, a log cheats)
            2 cannot judge (usage, files, network) · 3 valid but older than asked (verify only)

Examples:
  maip-devnet up --data dev
  export MAIP_DEVNET=dev
  maip key new --out me.key
  maip tenant register --name Example --key me.key --out me.tlog-proof
  maip verify *.tlog-proof --policy dev/policy-main.txt --max-age 10m

In examples, $T and $U are tenants, $A and $B agents, $S a session, $G and $H grants, $R a receipt or decision, $I an index:
answers print them. $NODE is the URL of a node, $LOG a log's monitoring prefix; the files are yours.

All commands are described in docs/cli.md.";

pub(crate) const CHAIN: &str = "\
Asks the log of the receipt and, for grants that came from elsewhere, the logs named with --peer. A URL with a path is a log's monitoring
prefix: plain files, for which nobody needs a credential. `maip verify` judges the file without a server.

Examples:
  maip chain --receipt $I --out act.chain
  maip chain --receipt $I --url $LOG --policy policy.txt --out act.chain
  maip chain --receipt $I --peer $NODE,ca=ca.pem,log=sandbox --policy policy.txt --out act.chain
  maip verify act.chain --policy policy.txt --max-age 10m";

pub(crate) const KEY: &str = "\
Examples:
  maip key new --out agent.key
  maip key new --name bot              # into the key directory, then --key bot finds it
  maip key show bot
  maip agent register --tenant $T --tenant-key tenant.key --name bot --key bot --scope invoice:read
  maip key agent serve --socket agent.sock --idle 30m &
  maip receipt log --key-socket agent.sock --key bot --tenant $T --agent $A --action invoice:read
  maip key agent list --key-socket agent.sock
  maip key agent add next.key --key-socket agent.sock
  maip key agent remove next --key-socket agent.sock
  maip key agent stop --key-socket agent.sock";

pub(crate) const TENANT: &str = "\
Examples:
  maip tenant register --name Example --key tenant.key --out tenant.tlog-proof
  maip tenant update --tenant $T --tenant-key tenant.key --name \"Example Ltd\" --thresholds 7000,5000,3000
  maip tenant key --tenant $T --tenant-key tenant.key --new-key next.key
  maip tenant suspend --tenant $T --tenant-key next.key --reason audit
  maip tenant reactivate --tenant $T --operator-key main.operator.key --on-behalf-of desk --reason audited
  maip tenant usage --tenant $T --month 2026-07";

pub(crate) const SCOPE: &str = "\
Example:
  maip scope define invoice:pay --critical --description \"money leaves\" --tenant $T --tenant-key tenant.key";

pub(crate) const AGENT: &str = "\
Examples:
  maip agent register --tenant $T --tenant-key tenant.key --name bot --key agent.key --scope invoice:read
  maip agent rotate-key --tenant $T --agent $A --key agent.key --new-key next.key
  maip agent update --tenant $T --tenant-key tenant.key --agent $A --scope invoice:read --scope invoice:list
  maip agent suspend --tenant $T --tenant-key tenant.key --agent $A --reason review
  maip agent reactivate --tenant $T --tenant-key tenant.key --agent $A --reason reviewed
  maip agent revoke --tenant $T --tenant-key tenant.key --agent $A --reason retired
  maip agent kill --tenant $T --tenant-key tenant.key --agent $A --reason stolen";

pub(crate) const KILL: &str = "\
Says which agents it ended and how many sessions ended with them. The same as `maip agent kill --agent AGENT`.

Example:
  maip kill $A --tenant $T --tenant-key tenant.key --reason stolen";

pub(crate) const SESSION: &str = "\
A session ends by itself, with its agent's suspension, and with its agent.

Examples:
  maip session open --tenant $T --agent $A --key agent.key --scope invoice:read --ttl 15
  maip session refresh --tenant $T --agent $A --key agent.key --session $S --ttl 15
  maip session token --tenant $T --agent $A --key agent.key --session $S > token
  maip session check-token token --scope invoice:read --fresh
  maip session token --tenant $T --agent $A --key agent.key --session $S --bind > bound-token
  maip session sign-call bound-token --key agent.key --uri https://tool.example/pay --audience billing --body in.json
  maip session handoff --tenant $T --agent $A --key agent.key --session $S --to $B
  maip session close --tenant $T --agent $B --key b.key --session $S";

pub(crate) const RECEIPT: &str = "\
Example:
  maip receipt log --tenant $T --agent $A --key agent.key --action invoice:read --input in.json --out r.tlog-proof";

pub(crate) const DECISION: &str = "\
`ask` and `explain` answer 0 for allowed. `ask` answers 1 for denied and for needs approval; `explain` answers 1 when the log's
answer is not the one that follows from its entries.

Examples:
  maip decision ask --agent $A --action invoice:read --tenant $T --tenant-key tenant.key
  maip decision approve --agent $A --action invoice:pay --uses 1 --for 1h --tenant $T --tenant-key tenant.key
  maip decision ask --agent $A --action invoice:pay --amount 1250 --currency EUR --approval $P --tenant $T --tenant-key tenant.key
  maip decision explain $R --tenant $T

$P is the approval that `approve` printed.";

pub(crate) const DELEGATE: &str = "\
A grant inside a tenant holds from its offer on; one to an agent of another tenant from its acceptance on, and needs an agreement:
the peer runs `sign-agreement`, the tenant runs `agree` with the same terms and what the peer printed.

Examples:
  maip delegate offer --tenant $T --tenant-key tenant.key --to $A --scope invoice:read --hops 1 --for 30m
  maip delegate accept $G --tenant $T --agent $A --key agent.key
  maip delegate offer --tenant $T --from $A --key agent.key --parent $G --to $B --scope invoice:read --for 10m --calls 100 --window 1m
  maip delegate reject $H --tenant $T --agent $B --key b.key --reason busy
  maip delegate revoke $G --tenant $T --tenant-key tenant.key --reason finished
  maip delegate sign-agreement --tenant $T --peer $U --scope invoice:read --expires-at 1900000000000 --key peer.key > signature
  maip delegate agree --tenant $T --tenant-key tenant.key --peer $U --scope invoice:read --expires-at 1900000000000 --peer-key $PUB --peer-signature \"$(cat signature)\"
  maip delegate end --tenant $T --tenant-key tenant.key --agreement $HASH --reason over

$PUB is the peer's public root key, $HASH the hash that `agree` printed.";

pub(crate) const ATTEST: &str = "\
The entry must be a receipt, decision or grant that names both agents, or is about the one and signed by the other.

Example:
  maip attest $B --by $A --key agent.key --tenant $T --interaction $I --verdict good";

pub(crate) const PAYLOAD: &str = "\
`get` answers 1 for what is erased and for what was altered, `check` for what does not open.

Examples:
  maip payload put letter.txt --subject customer-41 --vault vault
  maip receipt log --action letter:read --input-digest $COMMITMENT --tenant $T --agent $A --key agent.key
  maip payload get $COMMITMENT --vault vault --out copy.txt --with-salt
  maip payload check $COMMITMENT copy.txt --salt $SALT
  maip payload put letter.txt --subject customer-41 --vault vault --store nodes --tenant $T --tenant-key tenant.key
  maip payload get $COMMITMENT --subject customer-41 --vault vault --store nodes --tenant $T --tenant-key tenant.key";

pub(crate) const ERASE: &str = "\
Nothing is destroyed before the erasure is logged. After a break, run it again: it finishes. Copies of the vault that somebody
else made (backups, snapshots) are not reached.

Examples:
  maip erase customer-41 --vault vault --tenant $T --tenant-key tenant.key --reason requested
  maip erase customer-41 --vault vault --tenant $T --tenant-key tenant.key --status";

pub(crate) const SUBMIT: &str = "\
Prints the index of each record. After a break, run it again: the same record gets the same index.

Examples:
  maip receipt log --tenant $T --agent $A --key agent.key --action invoice:read --dry-run > record.json
  maip submit record.json
  maip submit - < records.ndjson";

pub(crate) const RECORD: &str = "\
`log` takes the JSON of the body, in any layout; docs/record-format.md has the types and their fields.

Examples:
  maip record log --type scope.define --body '{\"scope\":\"invoice:pay\",\"critical\":true}' --tenant $T --tenant-key tenant.key
  maip record log --type claim.create --body claim.json --tenant $T --agent $A --key agent.key
  maip record sign draft.json --key agent.key --out record.json
  maip record show record.json --key agent.key";

pub(crate) const PROOF: &str = "\
Examples:
  maip proof get 1 --out r.tlog-proof
  maip proof get $R --tenant $T --wait --out r.tlog-proof
  maip proof batch --from 0 --to 4 --out first.multi-proof
  maip proof status $A --out agent.staple";

pub(crate) const VERIFY: &str = "\
Opens no connection. Exit codes: 0 valid · 1 invalid · 2 cannot judge · 3 valid but older than --max-age.
Of several files, the worst decides: 1, then 2, then 3.

Examples:
  maip verify r.tlog-proof --policy policy.txt
  maip verify r.tlog-proof --policy policy.txt --registration tenant.tlog-proof --registration agent.tlog-proof
  maip verify act.chain --policy policy.txt --at receipt
  maip verify agent.staple --policy policy.txt --subject $A --max-age 10m";

pub(crate) const CHECKPOINT: &str = "\
Examples:
  maip checkpoint --url $NODE --ca ca.pem
  maip checkpoint --url $LOG --verify --policy policy.txt";

pub(crate) const CONSISTENCY: &str = "\
Reads tiles: give the log's monitoring prefix, a node's URL with --log, or --dir.

Examples:
  maip consistency 1 latest --url $LOG --policy policy.txt
  maip consistency r.tlog-proof latest --dir mirror";

pub(crate) const TAIL: &str = "\
Examples:
  maip tail --from 1 --follow
  maip tail --json > entries.ndjson";

pub(crate) const ENTRY: &str = "\
Examples:
  maip entry 1
  maip entry $R --tenant $T --raw > entry.json";

pub(crate) const HISTORY: &str = "\
Answers 1 when a receipt was left out, added, altered or put elsewhere.

Examples:
  maip history $A --verify --policy policy.txt
  maip history $A --verify --staple agent.staple --json > receipts.json";

pub(crate) const STATUS: &str = "\
Answers 1 when a log is read-only or an alarm is on.

Example:
  maip status --url $NODE --ca ca.pem --admin-key admin.key";

pub(crate) const ADMIN: &str = "\
Examples:
  maip admin add-learner 4 --peer $PEER --api $API
  maip admin promote 4
  maip admin transfer 3
  maip admin remove 2
  maip admin status
  maip admin snapshot --log main
  maip admin backup --out main.tar --log main
  maip admin reset-log sandbox --policy-out policy-sandbox-2.txt
  maip admin log-key add $NEXT_VKEY --operator-key main.operator.key
  maip admin log-key retire $OLD_VKEY --operator-key main.operator.key

$PEER is the host:port on which the new node talks to the others, $API the URL on which it serves clients.";

pub(crate) const LOG: &str = "\
Example:
  maip log fsck mirror --policy policy.txt";

pub(crate) const MONITOR: &str = "\
The state directory becomes a mirror of the log: a second run reads only what is new. Answers 1 and leaves an
evidence file there when the log cheats.

Examples:
  maip monitor --url $LOG --policy policy.txt --state monitor
  maip monitor --dir mirror --policy policy.txt --state copy --once";

pub(crate) const REPLAY: &str = "\
Checks form, signature and rules of every entry, every state.root and the signed root; then answers. Answers 1 when an
entry is wrong (the first is named), or when something that was asked for is not in the log.

Examples:
  maip replay --url $LOG --policy policy.txt
  maip replay --query \"trust $A\" --json
  maip replay --from-tiles mirror --policy policy.txt --check
  maip replay --query \"usage $T 2026-07\" --json
  maip replay --dir mirror --policy policy.txt --to $N --query \"agent $A\" --query \"flags $I\" --keep seen
  maip replay --url $LOG --policy policy.txt --resume seen --keep seen";

pub(crate) const TRUST: &str = "\
Replays the log's published files first, as `maip replay` does: nobody is asked how far an agent is trusted. Answers 1 when
the agent is not in the log, when the log does not replay, or (check) when the claim differs from what the entries give.

Examples:
  maip trust show $A --url $LOG --policy policy.txt
  maip trust explain $A --limit 50
  maip trust history $A --limit 90 --json
  maip trust compute $A --tenant $T --tenant-key tenant.key
  maip trust show $A --dir mirror --policy policy.txt --json > claim.json
  maip trust check claim.json --url $LOG --policy policy.txt";

pub(crate) const EVIDENCE: &str = "\
Answers 1 when the evidence convicts nobody.

Examples:
  maip evidence check monitor/evidence-7.txt --policy policy.txt
  maip evidence status --ending kill.tlog-proof --staple later.staple --policy policy.txt --out evidence.txt";

pub(crate) const POLICY: &str = "\
Two things have this name. `show` reads a witness policy: a file that says which log and witnesses a verifier trusts. `put`, `enable`
and `disable` log records about a tenant's policies: rules that say what its agents may do, from which decisions follow.

Examples:
  maip policy show policy.txt
  maip policy put four-eyes.json --tenant $T --tenant-key tenant.key
  maip policy put '{\"name\":\"no-pay\",\"priority\":1,\"rules\":[{\"actions\":[\"invoice:pay\"],\"effect\":\"deny\"}]}' --tenant $T --tenant-key tenant.key
  maip policy disable $P --tenant $T --tenant-key tenant.key
  maip policy enable $P --tenant $T --tenant-key tenant.key

$P is a policy that `put` printed.";

pub(crate) const COMPLETIONS: &str = "\
Example:
  maip completions bash > ~/.local/share/bash-completion/completions/maip";
