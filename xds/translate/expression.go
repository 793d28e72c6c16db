package translate

import (
	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	"github.com/gatehouse/gatehouse/gateway"
)

// What follows says conditions on a request in Envoy's expression language (CEL). A condition that ends in an error does not
// hold, and a refusal that does not hold lets a request through. So nothing is compared before it was asked whether it is there,
// and no function is called that can fail: not regular expressions, which Envoy may find too large when a request comes.

// comparing returns the function that compares a text by an operation; empty where there is none.
func comparing(op gateway.Op) string {
	return map[gateway.Op]string{
		gateway.OpEquals: "_==_", gateway.OpPrefix: "startsWith", gateway.OpSuffix: "endsWith", gateway.OpContains: "contains",
	}[op]
}

// expressible reports whether an expression can make a comparison.
func expressible(t *gateway.Test) bool {
	if t.Op == gateway.OpPresent {
		return true
	}
	for _, v := range t.Values {
		if textForm(t.Op, v) == nil {
			return false
		}
	}
	return comparing(t.Op) != "" && len(t.Values) > 0
}

// expressing returns a predicate as an expression; nil for one that always holds.
func expressing(p *gateway.Predicate) *exprv1.Expr {
	if p.Always() {
		return nil
	}
	return (&expressions{}).predicate(p)
}

// expressions makes the nodes of one expression, which are numbered.
type expressions struct{ last int64 }

func (e *expressions) node() *exprv1.Expr {
	e.last++
	return &exprv1.Expr{Id: e.last}
}

func (e *expressions) predicate(p *gateway.Predicate) *exprv1.Expr {
	list := func(all []gateway.Predicate, function string) *exprv1.Expr {
		out := e.predicate(&all[0])
		for i := range all[1:] {
			out = e.call(function, out, e.predicate(&all[i+1]))
		}
		return out
	}
	switch {
	case len(p.All) > 0:
		return list(p.All, "_&&_")
	case len(p.Any) > 0:
		return list(p.Any, "_||_")
	case p.Not != nil:
		return e.call("!_", e.predicate(p.Not))
	case p.Test != nil && p.Test.Of == gateway.OfHeader:
		return e.header(p.Test)
	case p.Test != nil:
		return e.principal(p.Test)
	}
	return e.constant(&exprv1.Constant{ConstantKind: &exprv1.Constant_BoolValue{BoolValue: !p.Never}})
}

// header compares a header: all its values in one text, with commas between (Envoy's getAllOfHeaderAsString), as a Check has them.
func (e *expressions) header(t *gateway.Test) *exprv1.Expr {
	all := func() *exprv1.Expr { return e.field(e.variable("request"), "headers", false) }
	there := e.field(all(), t.Name, true)
	if t.Op == gateway.OpPresent {
		return there
	}
	return e.call("_&&_", there, e.fits(t, func() *exprv1.Expr { return e.call("_[_]", all(), e.text(t.Name)) }))
}

// principal compares whom the client's certificate names (gateway.OfPrincipal), as a Check has it: what is empty is not there.
func (e *expressions) principal(t *gateway.Test) *exprv1.Expr {
	there := func(name string) *exprv1.Expr { return e.field(e.variable("connection"), name, true) }
	among := func(name string) *exprv1.Expr {
		value := func() *exprv1.Expr { return e.field(e.variable("connection"), name, false) }
		fits := e.call("_!=_", value(), e.text(""))
		if t.Op != gateway.OpPresent {
			fits = e.call("_&&_", fits, e.fits(t, value))
		}
		return e.call("_&&_", there(name), fits)
	}
	const uri, dns, subject = "uri_san_peer_certificate", "dns_san_peer_certificate", "subject_peer_certificate"
	otherwise := func(missing string, then *exprv1.Expr) *exprv1.Expr {
		return e.call("_&&_", e.call("!_", there(missing)), then)
	}
	return e.call("_||_", among(uri), otherwise(uri, e.call("_||_", among(dns), otherwise(dns, among(subject)))))
}

// fits holds where a value that is there compares well with one of a test's.
func (e *expressions) fits(t *gateway.Test, value func() *exprv1.Expr) *exprv1.Expr {
	var any *exprv1.Expr
	for _, v := range t.Values {
		text, _ := v.(string)
		one := e.call(comparing(t.Op), value(), e.text(text))
		if any == nil {
			any = one
		} else {
			any = e.call("_||_", any, one)
		}
	}
	return any
}

func (e *expressions) call(function string, args ...*exprv1.Expr) *exprv1.Expr {
	out, call := e.node(), &exprv1.Expr_Call{Function: function, Args: args}
	if function[0] != '_' && function[0] != '!' { // A method: "text.startsWith(start)".
		call.Target, call.Args = args[0], args[1:]
	}
	out.ExprKind = &exprv1.Expr_CallExpr{CallExpr: call}
	return out
}

// field returns a field of an object, or whether it is there.
func (e *expressions) field(of *exprv1.Expr, name string, there bool) *exprv1.Expr {
	out := e.node()
	out.ExprKind = &exprv1.Expr_SelectExpr{SelectExpr: &exprv1.Expr_Select{Operand: of, Field: name, TestOnly: there}}
	return out
}

func (e *expressions) variable(name string) *exprv1.Expr {
	out := e.node()
	out.ExprKind = &exprv1.Expr_IdentExpr{IdentExpr: &exprv1.Expr_Ident{Name: name}}
	return out
}

func (e *expressions) text(text string) *exprv1.Expr {
	return e.constant(&exprv1.Constant{ConstantKind: &exprv1.Constant_StringValue{StringValue: text}})
}

func (e *expressions) constant(value *exprv1.Constant) *exprv1.Expr {
	out := e.node()
	out.ExprKind = &exprv1.Expr_ConstExpr{ConstExpr: value}
	return out
}
