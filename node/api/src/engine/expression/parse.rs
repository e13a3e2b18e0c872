//! From words to a tree, by recursive descent.

use serde_json::Value;

use super::{
    Fault,
    functions::{Function, Macro},
    lex::{Kind, Word, fault},
};

/// Deepest tree: how much stack an evaluation takes.
const DEPTH_MAX: u32 = 64;
/// Parentheses within parentheses.
const NESTING_MAX: u32 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Different,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// One node, and how deep the tree below it is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Box<NodeKind>,
    depth: u32,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    Literal(Value),
    Name(String),
    Member(Node, String),
    Index(Node, Node),
    Not(Node),
    Negative(Node),
    Two(Operator, Node, Node),
    Choice(Node, Node, Node),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// `has(a.b)`
    Has(Node, String),
    Call(Function, Vec<Node>),
    /// `list.map(name, expression)` and its like.
    Each {
        of: Node,
        name: String,
        over: Macro,
        body: Node,
        only: Option<Node>,
    },
}

pub(super) fn parse(words: &[Word], end: usize) -> Result<Node, Fault> {
    let mut parser = Parser { words, next: 0, end, nesting: 0 };
    let root = parser.expression()?;
    match parser.words.get(parser.next) {
        None => Ok(root),
        Some(word) => Err(fault(word.at, "something is left over")),
    }
}

struct Parser<'w> {
    words: &'w [Word],
    next: usize,
    end: usize,
    nesting: u32,
}

impl Parser<'_> {
    fn at(&self) -> usize {
        self.words.get(self.next).map_or(self.end, |word| word.at)
    }

    fn node(&self, kind: NodeKind) -> Result<Node, Fault> {
        let below = match &kind {
            NodeKind::Literal(_) | NodeKind::Name(_) => 0,
            NodeKind::Member(a, _) | NodeKind::Not(a) | NodeKind::Negative(a) | NodeKind::Has(a, _) => {
                a.depth
            }
            NodeKind::Index(a, b) | NodeKind::Two(_, a, b) => a.depth.max(b.depth),
            NodeKind::Choice(a, b, c) => a.depth.max(b.depth).max(c.depth),
            NodeKind::List(all) | NodeKind::Call(_, all) => {
                all.iter().map(|node| node.depth).max().unwrap_or(0)
            }
            NodeKind::Map(all) => all.iter().map(|(a, b)| a.depth.max(b.depth)).max().unwrap_or(0),
            NodeKind::Each { of, body, only, .. } => {
                of.depth.max(body.depth).max(only.as_ref().map_or(0, |only| only.depth))
            }
        };
        if below >= DEPTH_MAX {
            return Err(fault(self.at(), format!("a tree deeper than {DEPTH_MAX}")));
        }
        Ok(Node { kind: Box::new(kind), depth: below + 1 })
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found =
            matches!(self.words.get(self.next), Some(Word { kind: Kind::Sign(known), .. }) if *known == sign);
        self.next += usize::from(found);
        found
    }

    fn needs(&mut self, sign: &str) -> Result<(), Fault> {
        if self.takes(sign) { Ok(()) } else { Err(fault(self.at(), format!("{sign:?} is missing"))) }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.words.get(self.next) {
            Some(Word { kind: Kind::Name(name), .. }) => {
                self.next += 1;
                Ok(name.clone())
            }
            _ => Err(fault(self.at(), "a name is missing")),
        }
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(fault(self.at(), format!("nested deeper than {NESTING_MAX}")));
        }
        let condition = self.two(0)?;
        let node = if self.takes("?") {
            let yes = self.two(0)?;
            self.needs(":")?;
            let no = self.expression()?;
            self.node(NodeKind::Choice(condition, yes, no))?
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(node)
    }

    /// What stands between two operands, from the weakest bond to the strongest.
    fn two(&mut self, bond: usize) -> Result<Node, Fault> {
        use Operator::{
            Add, And, Different, Divide, Equal, Less, LessOrEqual, More, MoreOrEqual, Multiply, Or,
            Remainder, Subtract,
        };
        const BONDS: &[&[(&str, Operator)]] = &[
            &[("||", Or)],
            &[("&&", And)],
            &[
                ("==", Equal),
                ("!=", Different),
                ("<=", LessOrEqual),
                (">=", MoreOrEqual),
                ("<", Less),
                (">", More),
            ],
            &[("+", Add), ("-", Subtract)],
            &[("*", Multiply), ("/", Divide), ("%", Remainder)],
        ];
        const RELATIONS: usize = 2;
        let Some(operators) = BONDS.get(bond) else { return self.unary() };
        let mut left = self.two(bond + 1)?;
        loop {
            let found = operators.iter().find(|(sign, _)| self.takes(sign)).map(|(_, operator)| *operator);
            let found =
                found.or_else(|| (bond == RELATIONS && self.takes_word("in")).then_some(Operator::In));
            let Some(operator) = found else { return Ok(left) };
            let right = self.two(bond + 1)?;
            left = self.node(NodeKind::Two(operator, left, right))?;
        }
    }

    fn takes_word(&mut self, name: &str) -> bool {
        let found =
            matches!(self.words.get(self.next), Some(Word { kind: Kind::Name(known), .. }) if known == name);
        self.next += usize::from(found);
        found
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let mut signs = Vec::new();
        loop {
            if self.takes("!") {
                signs.push(true);
            } else if self.takes("-") {
                signs.push(false);
            } else {
                break;
            }
        }
        let mut node = self.member()?;
        for not in signs.into_iter().rev() {
            node = self.node(if not { NodeKind::Not(node) } else { NodeKind::Negative(node) })?;
        }
        Ok(node)
    }

    fn member(&mut self) -> Result<Node, Fault> {
        let mut node = self.primary()?;
        loop {
            if self.takes(".") {
                let at = self.at();
                let name = self.name()?;
                node = if self.takes("(") {
                    self.method(node, &name, at)?
                } else {
                    self.node(NodeKind::Member(node, name))?
                };
            } else if self.takes("[") {
                let index = self.expression()?;
                self.needs("]")?;
                node = self.node(NodeKind::Index(node, index))?;
            } else {
                return Ok(node);
            }
        }
    }

    fn method(&mut self, of: Node, name: &str, at: usize) -> Result<Node, Fault> {
        let mut arguments = self.list(")")?;
        if let Some(over) = Macro::named(name) {
            let only = (over == Macro::Map && arguments.len() == 3).then(|| arguments.remove(1));
            let [variable, body] = <[Node; 2]>::try_from(arguments)
                .map_err(|_| fault(at, format!("{name} takes a name and an expression")))?;
            let NodeKind::Name(name) = *variable.kind else {
                return Err(fault(at, format!("the first argument of {name} is a name")));
            };
            return self.node(NodeKind::Each { of, name, over, body, only });
        }
        arguments.insert(0, of);
        let function = Function::method(name, arguments.len())
            .ok_or_else(|| fault(at, format!("there is no method {name} with so many arguments")))?;
        self.node(NodeKind::Call(function, arguments))
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Node, Fault> {
        let mut arguments = self.list(")")?;
        if name == "has" && arguments.len() == 1 {
            let NodeKind::Member(of, member) = *arguments.remove(0).kind else {
                return Err(fault(at, "has takes a member: has(a.b)"));
            };
            return self.node(NodeKind::Has(of, member));
        }
        let function = Function::named(name, arguments.len())
            .ok_or_else(|| fault(at, format!("there is no function {name} with so many arguments")))?;
        self.node(NodeKind::Call(function, arguments))
    }

    fn list(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        while !self.takes(end) {
            if !items.is_empty() {
                self.needs(",")?;
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let Some(word) = self.words.get(self.next) else { return Err(fault(self.end, "the end is missing")) };
        self.next += 1;
        match &word.kind {
            Kind::Text(text) => self.node(NodeKind::Literal(text.clone().into())),
            Kind::Integer(number) => self.node(NodeKind::Literal((*number).into())),
            Kind::Double(number) => self.node(NodeKind::Literal((*number).into())),
            Kind::Name(name) if self.takes("(") => self.call(name, word.at),
            Kind::Name(name) => self.node(match name.as_str() {
                "true" => NodeKind::Literal(true.into()),
                "false" => NodeKind::Literal(false.into()),
                "null" => NodeKind::Literal(Value::Null),
                name => NodeKind::Name(name.to_owned()),
            }),
            Kind::Sign("(") => {
                let inner = self.expression()?;
                self.needs(")")?;
                Ok(inner)
            }
            Kind::Sign("[") => {
                let items = self.list("]")?;
                self.node(NodeKind::List(items))
            }
            Kind::Sign("{") => self.map(),
            Kind::Sign(sign) => Err(fault(word.at, format!("{sign:?} means nothing here"))),
        }
    }

    fn map(&mut self) -> Result<Node, Fault> {
        let mut members = Vec::new();
        while !self.takes("}") {
            if !members.is_empty() {
                self.needs(",")?;
            }
            let key = self.expression()?;
            self.needs(":")?;
            members.push((key, self.expression()?));
        }
        self.node(NodeKind::Map(members))
    }
}
