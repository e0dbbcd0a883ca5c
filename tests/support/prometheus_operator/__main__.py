from tests.support.prometheus_operator import main

main()
