//! Makes the directory of a devnet: keys, certificates, configurations, policies, `devnet.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ledger_format::NoteSigner;

use super::{
    Devnet,
    config::{self, LOGS, LogKey, NodePorts, WitnessKey},
};
use crate::{
    manifest::{LogInfo, Manifest, NodeInfo, WitnessInfo},
    options::Options,
    ports::Ports,
    process::Process,
    proxy::Links,
};

/// A devnet whose files are written and whose processes have not been started.
pub(super) fn build(options: Options, data: PathBuf) -> Result<Devnet> {
    let mut ports = Ports::default();
    let links = Links::default();
    let members = (1..=options.nodes)
        .map(|id| node_ports(&options, &mut ports, &links, id))
        .collect::<Result<Vec<_>>>()?;
    for own in &members {
        write_node(&options, &data, own, &members)?;
    }
    let witnesses = write_witnesses(&options, &data, &mut ports, &members)?;
    let logs = write_policies(&options, &data, &members, &witnesses)?;
    let manifest = Manifest {
        nodes: members.iter().map(|own| node_info(&data, own)).collect(),
        witnesses,
        logs,
        policy: data.join("policy-main.txt"),
        policy_sandbox: data.join("policy-sandbox.txt"),
        admin_key: read_line(&node_dir(&data, 1).join("keys/admin.key"))?,
        ca: node_dir(&data, 1).join("tls/ca.pem"),
    };
    manifest.write(&data)?;
    assemble(options, data, manifest, ports, links)
}

/// A devnet that was built earlier.
pub(super) fn reopen(options: Options, data: PathBuf) -> Result<Devnet> {
    let manifest = Manifest::read(&data)?;
    assemble(options, data, manifest, Ports::default(), Links::default())
}

fn assemble(
    options: Options,
    data: PathBuf,
    manifest: Manifest,
    ports: Ports,
    links: Links,
) -> Result<Devnet> {
    let nodes = manifest.nodes.iter().map(|info| (info.id, node_process(&options, info))).collect();
    let witness_program = options.binaries.path("maip-witness");
    let witnesses = manifest
        .witnesses
        .iter()
        .map(|info| {
            let name = format!("witness {}", info.name);
            Process::new(name, witness_program.clone(), info.config.clone(), info.log.clone())
                .detached(options.detached)
        })
        .collect();
    Ok(Devnet { options, data, manifest, ports, links, nodes, witnesses })
}

/// The process of a node, not started.
pub(super) fn node_process(options: &Options, info: &NodeInfo) -> Process {
    let program = options.binaries.path("maip-node");
    Process::new(format!("node {}", info.id), program, info.config.clone(), info.log.clone())
        .env(&options.node_env)
        .detached(options.detached)
}

/// Chooses the ports of a node and, when links are proxied, starts the proxy.
pub(super) fn node_ports(options: &Options, ports: &mut Ports, links: &Links, id: u64) -> Result<NodePorts> {
    let kept = usize::try_from(id - 1).ok().and_then(|at| options.peers.get(at)).copied();
    let peer_listen = kept.map_or_else(|| ports.take(), Ok)?;
    let mut peer_public = peer_listen;
    if options.proxied_links {
        peer_public = ports.take()?;
        links.add(id, peer_public, peer_listen)?;
    }
    Ok(NodePorts { id, listen: ports.take()?, peer_listen, peer_public, http: ports.take()? })
}

/// Runs `maip-node init` and writes our configuration over the one it made. Every node after the first takes over
/// the first one's authority, log keys, operator keys and admin key: they are the same on every voter.
pub(super) fn write_node(
    options: &Options,
    data: &Path,
    own: &NodePorts,
    members: &[NodePorts],
) -> Result<()> {
    let dir = node_dir(data, own.id);
    let first = node_dir(data, 1);
    let mut args =
        vec!["init".to_owned(), "--dir".into(), text(&dir), "--node-id".into(), own.id.to_string()];
    for name in LOGS {
        args.extend(["--origin".into(), format!("{name}={}", config::origin(options, name))]);
    }
    if own.id != 1 {
        args.extend(["--ca".into(), text(&first.join("tls"))]);
        args.extend(["--admin-key".into(), text(&first.join("keys/admin.key"))]);
        for name in LOGS {
            for (flag, kind) in [("--log-key", "log"), ("--operator-key", "operator")] {
                let key = first.join(format!("keys/{name}.{kind}.key"));
                args.extend([flag.into(), format!("{name}={}", text(&key))]);
            }
        }
    }
    options.binaries.run("maip-node", &args)?;
    for name in LOGS {
        // The policy that `init` wrote for this node alone; ours is one file for all.
        let path = dir.join(format!("policy-{name}.txt"));
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    let path = dir.join("maip-node.toml");
    fs::write(&path, config::node(options, own, members))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Where a node is, before its first start.
pub(super) fn node_info(data: &Path, own: &NodePorts) -> NodeInfo {
    let dir = node_dir(data, own.id);
    NodeInfo {
        id: own.id,
        url: format!("https://{}", own.listen),
        grpc_url: format!("https://{}", own.listen),
        pid: 0,
        http_url: format!("http://{}", own.http),
        peer: own.peer_public.to_string(),
        config: dir.join("maip-node.toml"),
        log: dir.join("node.log"),
    }
}

fn write_witnesses(
    options: &Options,
    data: &Path,
    ports: &mut Ports,
    members: &[NodePorts],
) -> Result<Vec<WitnessInfo>> {
    (1..=options.witnesses)
        .zip(members.iter().cycle())
        .map(|(number, source)| {
            let dir = data.join(format!("witness-{number}"));
            let name = format!("{}/w{number}", options.domain);
            options.binaries.run(
                "maip-witness",
                &["init".to_owned(), "--dir".into(), text(&dir), "--name".into(), name.clone()],
            )?;
            let listen = ports.take()?;
            // The witnesses read from different nodes, so that no single node's death silences all of them.
            let logs = LOGS.iter().map(|log| log_key(data, log, source)).collect::<Result<Vec<_>>>()?;
            let path = dir.join("witness.toml");
            fs::write(&path, config::witness(options, listen, &logs))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(WitnessInfo {
                name,
                url: format!("http://{listen}"),
                vkey: vkey(&dir.join("witness.key"))?,
                pid: 0,
                config: path,
                log: dir.join("witness.log"),
            })
        })
        .collect()
}

fn write_policies(
    options: &Options,
    data: &Path,
    members: &[NodePorts],
    witnesses: &[WitnessInfo],
) -> Result<Vec<LogInfo>> {
    let first = members.first().context("no node")?;
    let keys: Vec<_> = (1..)
        .zip(witnesses)
        .map(|(number, info)| WitnessKey {
            name: format!("w{number}"),
            vkey: info.vkey.clone(),
            url: info.url.clone(),
        })
        .collect();
    LOGS.iter()
        .map(|name| {
            let log = log_key(data, name, first)?;
            let path = data.join(format!("policy-{name}.txt"));
            fs::write(&path, config::policy(&log, &keys, options.quorum()))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(LogInfo {
                name: (*name).into(),
                origin: config::origin(options, name),
                vkey: log.vkey,
                url: log.url,
            })
        })
        .collect()
}

fn log_key(data: &Path, log: &'static str, served_by: &NodePorts) -> Result<LogKey> {
    Ok(LogKey {
        name: log,
        vkey: vkey(&node_dir(data, 1).join(format!("keys/{log}.log.key")))?,
        url: format!("http://{}/{log}", served_by.http),
    })
}

/// The verifier key of a note signer's key file.
fn vkey(key_file: &Path) -> Result<String> {
    let line = read_line(key_file)?;
    let signer = NoteSigner::parse(&line)
        .map_err(|error| anyhow::anyhow!("{} holds no note signer's key: {error}", key_file.display()))?;
    Ok(signer.vkey().to_string())
}

fn read_line(path: &Path) -> Result<String> {
    let content = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(content.trim_end().to_owned())
}

fn node_dir(data: &Path, id: u64) -> PathBuf {
    data.join(format!("node-{id}"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
