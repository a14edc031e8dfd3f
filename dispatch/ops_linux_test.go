package dispatch_test

const hasAbstract = true
